//! Removal of reserved headers: all spellings and copies, and no other headers.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::vouch::{CertificateEncoding, Encoding, InvalidProfile, Profile, Reserved};

fn reserved() -> &'static Reserved {
    static RESERVED: LazyLock<Reserved> =
        LazyLock::new(|| Reserved::new([], [HeaderName::from_static("x-upstream-key")]));
    &RESERVED
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

/// Headers of OAuth, HTTP and tracing, which must not be removed.
const ORDINARY: &[&str] = &[
    // RFC 6749, RFC 6750, RFC 9449, attestation-based client authentication.
    "authorization",
    "dpop",
    "oauth-client-attestation",
    "oauth-client-attestation-pop",
    // RFC 9421 and RFC 9530, and their predecessors in open banking.
    "signature",
    "signature-input",
    "content-digest",
    "digest",
    "x-jws-signature",
    // FAPI, open banking: the application sets the user's address, not a proxy.
    "x-fapi-interaction-id",
    "x-fapi-auth-date",
    "x-fapi-customer-ip-address",
    "psu-ip-address",
    // Auth0 takes it from authenticated applications only.
    "auth0-forwarded-for",
    "auth0-client",
    // RFC 9110 to 9112.
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "expect",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "max-forwards",
    "pragma",
    "prefer",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "user-agent",
    "via",
    "early-data",
    "priority",
    // Browsers.
    "access-control-request-headers",
    "access-control-request-method",
    "cookie",
    "dnt",
    "origin",
    "sec-ch-ua",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-gpc",
    "upgrade-insecure-requests",
    "x-csrf-token",
    "x-requested-with",
    // Correlation and tracing.
    "baggage",
    "b3",
    "cf-ray",
    "idempotency-key",
    "request-id",
    "traceparent",
    "tracestate",
    "x-amzn-trace-id",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-idempotency-key",
    "x-request-id",
    // Keys, and names that only resemble reserved ones.
    "api-key",
    "client-certificates",
    "client-id",
    "clientcert",
    "proxy-authorization",
    "ssl-client",
    "x-api-key",
    "x-client-id",
    "x-client-version",
    "x-client-sandbox",
    "x-anonymous-id",
    "x-auth-token",
    "x-ms-client-request-id",
    "x-ms-correlation-id",
    "x-cloud-key",
    "x-amz-date",
    "x-amzn-requestid",
    "script",
    "ivory",
    "smart",
    "certificate",
    "httpsonly",
    "remote",
    "path",
];

/// Names that other products trust, in their spelling.
const BELIEVED: &[&str] = &[
    "X-WSO2-MTLS-CERT",
    "X-WSO2-CLIENT-CERTIFICATE",
    "X-Client-Dn",
    "X-Client-DN",
    "X-Client-Verify",
    "X-Client-Verified",
    "X-Client-Cert",
    "X-Client-Cert-Hash",
    "X-Client-Certificate",
    "X-Client-S-DN",
    "TLS-Client-Cert",
    "TLS-Client-Certificate-Chain",
    "SSL-Cert",
    "SSL-Certificate",
    "SSL-Client-Subject",
    "SSL_CLIENT_M_SERIAL",
    "SSL_CIPHER",
    "X-SSL-Client-SHA1",
    "X-TLS-Verified",
    "X-MTLS-Client-Cert",
    "X-Forwarded",
    "X-Envoy-Internal",
    "X-Envoy-Original-Path",
    "X-Envoy-External-Address",
    "X-Envoy-Peer-Metadata",
    "X-MS-Client-Principal",
    "X-MS-Client-Principal-Id",
    "X-MS-TOKEN-AAD-ID-TOKEN",
    "X-Auth-Request-User",
    "X-Goog-Authenticated-User-Email",
    "X-Goog-IAP-JWT-Assertion",
    "X-Amzn-Oidc-Identity",
    "X-Amzn-Oidc-Data",
    "X-Amzn-Mtls-Clientcert-Subject",
    "X-Consumer-Username",
    "X-Consumer-Custom-Id",
    "X-Credential-Identifier",
    "X-Anonymous-Consumer",
    "X-Authenticated-Userid",
    "L5d-Client-Id",
    "X-Middleware-Subrequest",
    "Iv-User",
    "iv-groups",
    "SM_USER",
    "SM_USERDN",
    "Script-Name",
    "Path-Info",
    "X-Script-Name",
    "X-ARR-SSL",
    "X-ARR-ClientCert",
    "MS-ASPNETCORE-CLIENTCERT",
    "Incap-Client-IP",
    "CERT_CHAIN",
    "CERT_CHAIN_0",
    "CERT_SUBJECT",
    "Https",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "Remote-User",
    "Remote-Groups",
    "X-Remote-Extra-Scopes",
    "Remote-Addr",
    "CloudFront-Forwarded-Proto",
    "CF-Connecting-IP",
    "OIDC_CLAIM_sub",
    "Php-Auth-User",
    "PHP_AUTH_PW",
    "X-Accel-Mapping",
    "X-Azure-FDID",
    "MTLS-Cert",
    "X-Mutual-TLS-Client-Cert",
    "X-Peer-Certificate",
    "X-ClientCert-DER",
    "Client-Verify",
    "X-Matched-Path",
    "X-Invoke-Path",
    "X-Vercel-Forwarded-For",
    "X-WAWS-Unencoded-URL",
    "DO-Connecting-IP",
    "X-NF-Client-Connection-IP",
    "X-ProxiedEntitiesChain",
];

#[test]
fn headers_of_other_products_are_removed_in_any_spelling() {
    let reserved = reserved();
    for name in BELIEVED {
        for sign in ["-", "_", ".", "~", "!"] {
            for name in [name.replace(['-', '_'], sign), name.replacen(['-', '_'], sign, 1)] {
                let folded = HeaderName::try_from(&name).unwrap();
                assert!(reserved.contains(&folded), "{name}");
            }
        }
    }
}

#[test]
fn another_spelling_of_a_framing_header_is_removed() {
    let reserved = reserved();
    for name in ["content-type", "content-length", "content-encoding", "transfer-encoding", "x-request-id"] {
        assert!(!reserved.contains(&HeaderName::from_static(name)), "{name}");
        for sign in ["_", ".", "~", "|", "'"] {
            let name = HeaderName::try_from(name.replacen('-', sign, 1)).unwrap();
            assert!(reserved.contains(&name), "{name}");
        }
    }
}

#[test]
fn ordinary_headers_are_not_removed() {
    let mut headers = HeaderMap::new();
    for name in ORDINARY {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static("kept"));
    }
    let before = headers.clone();
    reserved().remove_from(&mut headers);
    let removed: Vec<_> = before.keys().filter(|name| !headers.contains_key(*name)).collect();
    assert!(removed.is_empty(), "{removed:?}");
    assert_eq!(headers.len(), ORDINARY.len());
}

#[test]
fn a_profile_cannot_have_names_that_fold_to_one() {
    let custom = |names: &[&'static str]| {
        Profile::custom(
            "corp",
            names
                .iter()
                .map(|name| {
                    (HeaderName::from_static(name), Encoding::Certificate(CertificateEncoding::PemUrl))
                })
                .collect(),
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
        let respelled: Vec<u8> = name.bytes().zip(signs).map(|(byte, sign)| if byte.is_ascii_alphanumeric() { byte } else { sign }).collect();
        prop_assert!(reserved().contains(&HeaderName::from_bytes(&respelled).unwrap()));
    }

    #[test]
    fn header_families_match_any_suffix(
        which in any::<prop::sample::Index>(), rest in "[a-z0-9_.!$-]{1,20}",
    ) {
        let families = ["x-forwarded-", "x-envoy-", "ssl-client-", "sm_", "iv-", "x-wso2-", "x-client-verif", "x_ms_client_principal",
            "cert.", "l5d-", "$ws", "wl-proxy-", "x-ssl-", "php-auth-", "x-amzn-oidc-", "x-consumer-", "cloudfront-"];
        let name = format!("{}{rest}", families[which.index(families.len())]);
        prop_assert!(reserved().contains(&HeaderName::try_from(&name).unwrap()), "{name}");
    }

    #[test]
    fn a_name_that_is_not_reserved_is_never_removed(tail in "[a-z0-9_.-]{0,40}") {
        // No reserved name begins like this.
        let name = HeaderName::try_from(format!("zz{tail}")).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(name.clone(), HeaderValue::from_static("kept"));
        reserved().remove_from(&mut headers);
        prop_assert!(headers.contains_key(name));
    }
}
