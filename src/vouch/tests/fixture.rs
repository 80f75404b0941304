//! Certificates that openssl makes, and the evidence about them that openssl and Python extract.

use std::{path::Path, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::CertificateDer;
use serde_json::Value;

use crate::{
    clock::Timestamp,
    vouch::{Certificate, Client, Evidence, Verdict},
};

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
pub(super) fn certificate(folder: &Path, name: &str, key: &[&str], subject: &str) -> String {
    let path = folder.join(format!("{name}.pem")).to_str().unwrap().to_owned();
    let mut arguments = vec!["req", "-x509", "-nodes", "-utf8", "-multivalue-rdn", "-subj", subject];
    arguments.extend(["-keyout", "/dev/null", "-out", &path, "-newkey"]);
    arguments.extend(key);
    run("openssl", &arguments);
    path
}

/// Runs a test on the evidence about a leaf and its intermediates, and on what `oracle.py` prints of them.
pub(super) fn with_evidence(files: &[String], verdict: Verdict, test: impl FnOnce(&Evidence<'_>, &Value)) {
    let facts = facts(files, verdict);
    with_facts(&facts, verdict, |evidence| test(evidence, &facts));
}

/// What `oracle.py` prints of a leaf and its intermediates.
pub(super) fn facts(files: &[String], verdict: Verdict) -> Value {
    let printed = if verdict == Verdict::Verified { "SUCCESS" } else { "FAILED:self signed certificate" };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/vouch/tests/oracle.py");
    let mut arguments = vec![script, printed];
    arguments.extend(files.iter().map(String::as_str));
    serde_json::from_str(&run("python3", &arguments)).unwrap()
}

/// Runs a test on the evidence of these facts.
pub(super) fn with_facts(facts: &Value, verdict: Verdict, test: impl FnOnce(&Evidence<'_>)) {
    let fact = |key: &str| facts[key].as_str().unwrap();
    let ders: Vec<Vec<u8>> = facts["ders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|der| STANDARD.decode(der.as_str().unwrap()).unwrap())
        .collect();
    let intermediates: Vec<_> = ders[1..].iter().cloned().map(CertificateDer::from).collect();
    let thumbprint = hex(fact("hash")).try_into().unwrap();
    let serial = hex(fact("serial"));
    let certificate = Certificate {
        leaf: &ders[0],
        intermediates: &intermediates,
        subject_rfc2253: fact("subject"),
        issuer_rfc2253: fact("issuer"),
        serial: &serial,
        not_before: Timestamp::from_unix(facts["not_before"].as_i64().unwrap()),
        not_after: Timestamp::from_unix(facts["not_after"].as_i64().unwrap()),
        thumbprint: &thumbprint,
        san_uris: &["spiffe://a/b"],
        san_dns: &["a.example"],
    };
    let evidence = Evidence { client: Client { verdict }, certificate: Some(certificate) };
    test(&evidence);
}

/// Kinds of key, as `openssl req -newkey` takes them.
pub(super) const KEYS: [(&str, &[&str]); 5] = [
    ("rsa2048", &["rsa:2048"]),
    ("rsa4096", &["rsa:4096"]),
    ("p256", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("ed25519", &["ed25519"]),
];

pub(super) const SUBJECT: &str = "/C=DE/O=B\u{e4}cker, S\u{f6}hne+OU=a\"b;c\\+d/CN=x#y<z>";
