//! Compares all built-in profiles and encodings byte for byte with values that openssl and Python make.

use http::HeaderName;

use super::fixture::{KEYS, SUBJECT, certificate, with_evidence};
use crate::vouch::{
    Certificate, CertificateEncoding, Client, ClientEncoding, Encoding, Evidence, Profile, TooLarge, Verdict,
};

#[test]
fn every_profile_writes_what_openssl_and_python_write() {
    let folder = tempfile::tempdir().unwrap();
    let others: Vec<_> =
        ["one", "two"].iter().map(|name| certificate(folder.path(), name, KEYS[2].1, "/CN=ca")).collect();
    for (name, key) in KEYS {
        let leaf = certificate(folder.path(), name, key, SUBJECT);
        for count in 0..=2 {
            let files: Vec<_> =
                std::iter::once(leaf.clone()).chain(others[..count].iter().cloned()).collect();
            for verdict in [Verdict::Verified, Verdict::NotVerified("self signed certificate")] {
                with_evidence(&files, verdict, |evidence, facts| {
                    let expected = &facts["profiles"];
                    assert_eq!(expected.as_object().unwrap().len(), Profile::built_in_names().len());
                    for profile in Profile::built_in_names() {
                        let headers = Profile::built_in(profile).unwrap().headers(evidence).unwrap();
                        let found: Vec<Vec<String>> = headers
                            .iter()
                            .map(|(name, value)| vec![name.to_string(), value.to_str().unwrap().to_owned()])
                            .collect();
                        assert_eq!(
                            serde_json::to_value(found).unwrap(),
                            expected[profile],
                            "{profile} {name} {count}"
                        );
                    }
                });
            }
        }
    }
}

#[test]
fn a_custom_profile_sends_its_own_names_and_debug_hides_them() {
    let folder = tempfile::tempdir().unwrap();
    let files = [certificate(folder.path(), "leaf", KEYS[4].1, SUBJECT)];
    let names = [
        ("x-secret-4711", Encoding::Certificate(CertificateEncoding::PemUrl)),
        ("x-client-verified", Encoding::Client(ClientEncoding::Verdict)),
        ("x-chain", Encoding::Certificate(CertificateEncoding::ChainSf)),
    ];
    let names = names.map(|(name, encoding)| (HeaderName::from_static(name), encoding));
    let profile = Profile::custom("corp", names.to_vec()).unwrap();
    assert!(!format!("{profile:?}").contains("4711"));
    with_evidence(&files, Verdict::Verified, |evidence, facts| {
        let expected = &facts["profiles"];
        let headers = profile.headers(evidence).unwrap();
        assert_eq!(headers.len(), 2, "no chain: no chain header");
        assert_eq!(headers[0].1.to_str().unwrap(), expected["auth0"][0][1].as_str().unwrap());
        assert_eq!(headers[1].1, "SUCCESS");
    });
}

#[test]
fn every_encoding_writes_what_openssl_and_python_write() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> =
        [("leaf", KEYS[0].1, SUBJECT), ("one", KEYS[2].1, "/CN=one"), ("two", KEYS[0].1, "/CN=two")]
            .map(|(name, key, subject)| certificate(folder.path(), name, key, subject))
            .into();
    let headers = Encoding::names().map(|name| (HeaderName::try_from(name).unwrap(), name.parse().unwrap()));
    let profile = Profile::custom("corp", headers.collect()).unwrap();
    for count in 1..=3 {
        for verdict in [Verdict::Verified, Verdict::NotVerified("self signed certificate")] {
            with_evidence(&files[..count], verdict, |evidence, facts| {
                let found: Vec<_> = profile
                    .headers(evidence)
                    .unwrap()
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                    .collect();
                // Without intermediates the two encodings of the chain without the leaf are omitted.
                let absent = if count == 1 { 2 } else { 0 };
                assert_eq!(found.len(), Encoding::names().len() - absent);
                assert_eq!(serde_json::to_value(found).unwrap(), facts["encodings"], "{count}");
            });
        }
    }
}

#[test]
fn a_certificate_over_4096_bytes_does_not_fit_auth0() {
    let folder = tempfile::tempdir().unwrap();
    let files = [certificate(folder.path(), "leaf", KEYS[4].1, SUBJECT)];
    with_evidence(&files, Verdict::Verified, |evidence, _| {
        let large = [7; 3200];
        let certificate = Certificate { leaf: &large, ..evidence.certificate.unwrap() };
        let evidence = Evidence { certificate: Some(certificate), ..*evidence };
        let auth0 = Profile::built_in("auth0").unwrap();
        let limited = auth0.sizes(&evidence).limited.unwrap();
        assert_eq!(auth0.headers(&evidence), Err(TooLarge { bytes: limited.bytes, limit: 4096 }));
        assert!(limited.bytes > 4096 && limited.header == "client-certificate");
    });
}

#[test]
fn a_client_without_a_certificate_gets_no_certificate_headers() {
    let evidence = Evidence { client: Client { verdict: Verdict::NotVerified("") }, certificate: None };
    let headers = Profile::built_in("nginx").unwrap().headers(&evidence).unwrap();
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, [("ssl-client-verify", "FAILED")]);
}
