//! Every built-in profile, byte for byte, as openssl and Python's encoders make its values.

use std::{path::Path, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::CertificateDer;
use serde_json::Value;

use crate::vouch::{Encoding, Evidence, Profile, TooLarge, Verdict};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| {
        panic!("these tests need `{program}` ({error}): apt-get install openssl python3")
    });
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A self-signed certificate made by openssl.
fn certificate(folder: &Path, name: &str, key: &[&str], subject: &str) -> String {
    let path = folder.join(format!("{name}.pem")).to_str().unwrap().to_owned();
    let mut arguments = vec!["req", "-x509", "-nodes", "-utf8", "-multivalue-rdn", "-subj", subject];
    arguments.extend(["-keyout", "/dev/null", "-out", &path, "-newkey"]);
    arguments.extend(key);
    run("openssl", &arguments);
    path
}

fn with_evidence(files: &[String], verdict: Verdict, test: impl FnOnce(&Evidence<'_>, &Value)) {
    let printed = if verdict == Verdict::Verified { "SUCCESS" } else { "FAILED:self signed certificate" };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/vouch/tests/oracle.py");
    let mut arguments = vec![script, printed];
    arguments.extend(files.iter().map(String::as_str));
    let facts: Value = serde_json::from_str(&run("python3", &arguments)).unwrap();
    let fact = |key: &str| facts[key].as_str().unwrap();
    let ders: Vec<Vec<u8>> = facts["ders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|der| STANDARD.decode(der.as_str().unwrap()).unwrap())
        .collect();
    let intermediates: Vec<_> = ders[1..].iter().cloned().map(CertificateDer::from).collect();
    let evidence = Evidence {
        leaf: &ders[0],
        intermediates: &intermediates,
        verdict,
        subject_rfc2253: fact("subject"),
        issuer_rfc2253: fact("issuer"),
        serial: &hex(fact("serial")),
        not_before: facts["not_before"].as_i64().unwrap(),
        not_after: facts["not_after"].as_i64().unwrap(),
        thumbprint: &hex(fact("hash")).try_into().unwrap(),
        san_uris: &["spiffe://a/b"],
        san_dns: &["a.example"],
    };
    test(&evidence, &facts["profiles"]);
}

const KEYS: [(&str, &[&str]); 5] = [
    ("rsa2048", &["rsa:2048"]),
    ("rsa4096", &["rsa:4096"]),
    ("p256", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("ed25519", &["ed25519"]),
];

const SUBJECT: &str = "/C=DE/O=B\u{e4}cker, S\u{f6}hne+OU=a\"b;c\\+d/CN=x#y<z>";

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
                with_evidence(&files, verdict, |evidence, expected| {
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
        ("x-secret-4711", Encoding::PemUrl),
        ("x-client-verified", Encoding::Verdict),
        ("x-chain", Encoding::ChainSf),
    ];
    let names = names.map(|(name, encoding)| (http::HeaderName::from_static(name), encoding));
    let profile = Profile::custom("corp", names.to_vec()).unwrap();
    assert!(!format!("{profile:?}").contains("4711"));
    with_evidence(&files, Verdict::Verified, |evidence, expected| {
        let headers = profile.headers(evidence).unwrap();
        assert_eq!(headers.len(), 2, "no chain: no chain header");
        assert_eq!(headers[0].1.to_str().unwrap(), expected["auth0"][0][1].as_str().unwrap());
        assert_eq!(headers[1].1, "SUCCESS");
    });
}

#[test]
fn a_certificate_over_4096_bytes_does_not_fit_auth0() {
    let folder = tempfile::tempdir().unwrap();
    let files = [certificate(folder.path(), "leaf", KEYS[4].1, SUBJECT)];
    with_evidence(&files, Verdict::Verified, |evidence, _| {
        let large = [7; 3200];
        let evidence = Evidence { leaf: &large, ..*evidence };
        let auth0 = Profile::built_in("auth0").unwrap();
        let limited = auth0.sizes(&evidence).limited.unwrap();
        assert_eq!(auth0.headers(&evidence), Err(TooLarge { bytes: limited.bytes, limit: 4096 }));
        assert!(limited.bytes > 4096 && limited.header == "client-certificate");
    });
}
