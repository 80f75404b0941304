//! Removal: whatever the spelling, however often, and nothing else.

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::vouch::{Encoding, InvalidProfile, Profile, Reserved};

fn reserved() -> Reserved {
    Reserved::new([], [HeaderName::from_static("x-upstream-key")])
}

#[test]
fn every_spelling_and_every_copy_is_removed() {
    let names = [
        "Client-Certificate",
        "client_certificate",
        "client.certificate",
        "CLIENT~CERTIFICATE",
        "ssl_client_cert",
        "SSL-CLIENT-CHAIN-3",
        "ssl_client_chain_123456789012345678901234567890",
        "x_forwarded_for",
        "X.Amzn.Mtls.Clientcert",
        "x-upstream_key",
        "cname_api_key",
        "$WSCC",
        "Forwarded",
    ];
    let mut headers = HeaderMap::new();
    for name in names {
        let name = HeaderName::try_from(name).unwrap();
        headers.append(name.clone(), HeaderValue::from_static("spoofed"));
        headers.append(name, HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    }
    headers.insert("accept", HeaderValue::from_static("*/*"));
    reserved().remove_from(&mut headers);
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["accept"]);
}

#[test]
fn ordinary_headers_stay() {
    for name in [
        "accept",
        "authorization",
        "content-type",
        "dpop",
        "host",
        "user-agent",
        "x-request-id",
        "traceparent",
        "client-certificates",
        "clientcert",
        "x-forwarded",
        "cookie",
    ] {
        assert!(!reserved().contains(&HeaderName::from_static(name)), "{name}");
    }
}

#[test]
fn names_that_fold_to_one_cannot_make_a_profile() {
    let custom = |names: &[&'static str]| {
        Profile::custom(
            "corp",
            names.iter().map(|name| (HeaderName::from_static(name), Encoding::PemUrl)).collect(),
        )
    };
    assert_eq!(custom(&["x-a", "x_b", "x_a"]).unwrap_err(), InvalidProfile::Repeated { first: 0, second: 2 });
    assert_eq!(custom(&["x-a", "content_length"]).unwrap_err(), InvalidProfile::Unusable { index: 1 });
    assert_eq!(custom(&[]).unwrap_err(), InvalidProfile::Empty);
    assert_eq!(Profile::custom("auth0", vec![]).unwrap_err(), InvalidProfile::NameTaken);
}

proptest! {
    #[test]
    fn any_respelling_of_a_reserved_name_is_removed(
        which in any::<prop::sample::Index>(), signs in prop::collection::vec(prop::sample::select(b"-_.~!$|^".to_vec()), 64),
    ) {
        let names = ["client-certificate", "client-certificate-ca-verified", "client-cert", "x-forwarded-client-cert",
            "ssl-client-verify", "ssl_client_chain_17", "x-forwarded-tls-client-cert", "x-real-ip", "x-amzn-mtls-clientcert-leaf"];
        let name = names[which.index(names.len())];
        let respelled: Vec<u8> = name.bytes().zip(signs).map(|(octet, sign)| if octet.is_ascii_alphanumeric() { octet } else { sign }).collect();
        prop_assert!(reserved().contains(&HeaderName::from_bytes(&respelled).unwrap()));
    }

    #[test]
    fn a_name_that_is_not_reserved_is_never_removed(tail in "[a-z0-9_.-]{0,40}") {
        // Nothing reserved begins so.
        let name = HeaderName::try_from(format!("zz{tail}")).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(name.clone(), HeaderValue::from_static("kept"));
        reserved().remove_from(&mut headers);
        prop_assert!(headers.contains_key(name));
    }
}
