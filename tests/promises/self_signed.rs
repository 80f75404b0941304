//! RFC 8705 section 2.2: the registered self-signed certificate, as made by various tools.

use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{KeyPair, RsaKeySize, SignatureAlgorithm};
use rustls::{
    pki_types::{CertificateDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use tempfile::TempDir;

use crate::support::{
    Client, Credentials, EdgeBuilder, Seen, Upstream,
    certificates::{self_signed_by, self_signed_with, time_from_now},
    passes, refused, self_signed,
    tool::{keytool, openssl},
    verdict::{EXPIRED, NOT_YET_VALID},
};

/// The subject of every certificate here; `self_signed(name)` makes others with the same subject.
fn subject(name: &str) -> String {
    format!("/C=DE/O=Example Bank/CN={name}")
}

fn read(folder: &Path, name: &str) -> Credentials {
    Credentials::read(&folder.join(format!("{name}.pem")), &folder.join(format!("{name}.key")))
}

fn vouched_certificate(seen: &Seen) -> CertificateDer<'static> {
    let header = seen.header("client-certificate");
    let pem: Vec<u8> = percent_encoding::percent_decode_str(&header).collect();
    CertificateDer::from_pem_slice(&pem).unwrap()
}

/// Registers every certificate by its thumbprint, and asserts that each is accepted over both versions of TLS, and
/// that another one with the same DN is not.
async fn all_pass(made: Vec<(&str, Credentials)>) {
    let upstream = Upstream::start().await;
    let mut builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0");
    for (name, credentials) in &made {
        builder = builder.self_signed_application(name, &[credentials.thumbprint()]);
    }
    let edge = builder.start();
    for (name, credentials) in &made {
        for version in [&TLS12, &TLS13] {
            let client = Client::build(&edge, &[version], Some(credentials));
            assert_eq!(client.connect().await.version, version.version, "{name}");
            let seen = passes(&client, &upstream, name).await;
            assert_eq!(seen.header("client-certificate-ca-verified"), "FAILED:self signed certificate");
            assert_eq!(vouched_certificate(&seen), *credentials.leaf(), "{name}");

            let other = Client::build(&edge, &[version], Some(&self_signed(name)));
            let refused = refused(&edge, &other, &upstream, name).await;
            assert_eq!(refused.log["subject"], format!("CN={name},O=Example Bank,C=DE"));
            let reason = refused.generic_refusal_reason();
            assert_eq!(reason, format!("certificate thumbprint is not registered for \"{name}\""));
        }
    }
    edge.stop();
}

/// Makes a key with `openssl genpkey`.
fn openssl_key(folder: &Path, name: &str, algorithm: &[&str]) {
    openssl(folder, &[&["genpkey", "-out", &format!("{name}.key"), "-algorithm"], algorithm].concat());
}

const OPENSSL_KEYS: [(&str, &[&str]); 6] = [
    ("rsa-2048", &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ("rsa-4096", &["RSA", "-pkeyopt", "rsa_keygen_bits:4096"]),
    ("p-256", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p-384", &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("p-521", &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
    ("ed25519", &["ED25519"]),
];

#[tokio::test]
async fn openssl_certificates_of_version_3_and_1_pass() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let mut made = Vec::new();
    for (name, algorithm) in OPENSSL_KEYS {
        openssl_key(path, name, algorithm);
        let (key, csr, pem) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        openssl(path, &["req", "-x509", "-key", &key, "-subj", &subject(name), "-days", "30", "-out", &pem]);
        assert!(openssl(path, &["x509", "-in", &pem, "-noout", "-text"]).contains("Version: 3 (0x2)"));
        made.push((name, read(path, name)));

        let old = format!("{name}-v1");
        let pem = format!("{old}.pem");
        openssl(path, &["req", "-new", "-key", &key, "-subj", &subject(&old), "-out", &csr]);
        openssl(path, &["x509", "-req", "-in", &csr, "-signkey", &key, "-days", "30", "-out", &pem]);
        assert!(openssl(path, &["x509", "-in", &pem, "-noout", "-text"]).contains("Version: 1 (0x0)"));
        made.push((old.leak(), Credentials::read(&path.join(&pem), &path.join(&key))));
    }
    all_pass(made).await;
}

#[tokio::test]
async fn keytool_certificates_pass() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let generate = |name: &str, store: &str, algorithm: &[&str]| {
        let dname = format!("CN={name}, O=Example Bank, C=DE");
        let common = ["-genkeypair", "-alias", name, "-dname", &dname, "-validity", "30", "-keystore", name];
        let store = ["-storepass", "changeit", "-keypass", "changeit", "-storetype", store, "-keyalg"];
        keytool(path, &[&common[..], &store, algorithm].concat());
    };
    generate("jks-rsa", "JKS", &["RSA", "-keysize", "2048"]);
    generate("p12-ec", "PKCS12", &["EC", "-groupname", "secp256r1"]);
    generate("p12-ed25519", "PKCS12", &["Ed25519"]);
    let from = ["-importkeystore", "-srckeystore", "jks-rsa", "-srcstorepass", "changeit", "-destkeystore"];
    let into = ["converted", "-deststoretype", "PKCS12", "-deststorepass", "changeit"];
    keytool(path, &[&from[..], &into].concat());
    let made = [("jks-rsa", "converted"), ("p12-ec", "p12-ec"), ("p12-ed25519", "p12-ed25519")];
    let made = made.map(|(name, p12)| {
        let export = ["pkcs12", "-in", p12, "-passin", "pass:changeit", "-nodes"];
        openssl(path, &[&export[..], &["-nokeys", "-out", &format!("{name}.pem")]].concat());
        openssl(path, &[&export[..], &["-nocerts", "-out", &format!("{name}.key")]].concat());
        (name, read(path, name))
    });
    all_pass(made.into()).await;
}

#[tokio::test]
async fn rcgen_certificates_pass() {
    let kinds: [(&str, &SignatureAlgorithm); 4] = [
        ("p-256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("p-384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("p-521", &rcgen::PKCS_ECDSA_P521_SHA512),
        ("ed25519", &rcgen::PKCS_ED25519),
    ];
    let ec = kinds.map(|(name, algorithm)| (name, KeyPair::generate_for(algorithm).unwrap()));
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072).unwrap();
    let keys = ec.into_iter().chain([("rsa-3072", rsa)]);
    all_pass(keys.map(|(name, key)| (name, self_signed_by(&key, name, |_| {}))).collect()).await;
}

#[tokio::test]
async fn a_renewed_certificate_needs_registration() {
    let upstream = Upstream::start().await;
    let key = KeyPair::generate().unwrap();
    let (registered, renewed) = (
        self_signed_by(&key, "a", |_| {}),
        self_signed_by(&key, "a", |p| {
            p.not_after = time_from_now(2 * 365 * 86_400);
        }),
    );
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("a", &[registered.thumbprint()])
        .start();
    passes(&Client::with(&edge, &registered).http2(), &upstream, "a").await;
    let refused = refused(&edge, &Client::with(&edge, &renewed).http2(), &upstream, "a").await;
    assert_eq!(refused.generic_refusal_reason(), "certificate thumbprint is not registered for \"a\"");
    edge.stop();
}

#[tokio::test]
async fn a_registered_certificate_must_be_within_its_validity() {
    let upstream = Upstream::start().await;
    let ended = |name| self_signed_with(name, |p| p.not_after = time_from_now(-60));
    let to_come = |name| self_signed_with(name, |p| p.not_before = time_from_now(3600));
    let by_print = [ended("print-ended"), to_come("print-to-come")];
    let by_file = [ended("file-ended"), to_come("file-to-come")];
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("print-ended", &[by_print[0].thumbprint()])
        .self_signed_application("print-to-come", &[by_print[1].thumbprint()])
        .file("ended.pem", by_file[0].chain_pem())
        .file("to-come.pem", by_file[1].chain_pem())
        .application("file-ended", "self_signed_tls_client_auth", &["certificate = \"ended.pem\"".into()])
        .application("file-to-come", "self_signed_tls_client_auth", &["certificate = \"to-come.pem\"".into()])
        .start();
    for (credentials, way) in [(by_print, "print"), (by_file, "file")] {
        for (credentials, when) in credentials.iter().zip(["ended", "to-come"]) {
            for version in [&TLS12, &TLS13] {
                let client = Client::build(&edge, &[version], Some(credentials));
                let refused = refused(&edge, &client, &upstream, &format!("{way}-{when}")).await;
                let (reason, description) = match when {
                    "ended" => ("the client certificate has expired", EXPIRED),
                    _ => ("the client certificate is not yet valid", NOT_YET_VALID),
                };
                assert_eq!((refused.reason.as_str(), refused.description.as_str()), (reason, description));
            }
        }
    }
    edge.stop();
}

#[tokio::test]
async fn a_thumbprint_is_registered_in_each_written_form() {
    let upstream = Upstream::start().await;
    let folder = TempDir::new().unwrap();
    let forms = ["hex", "upper-hex", "hex-with-colons", "base64url", "certificate-file", "der-file"];
    let made = forms.map(|name| (name, self_signed(name)));
    let mut builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0");
    for (form, credentials) in &made {
        credentials.write(folder.path(), form);
        // The thumbprint as openssl prints it: "sha256 Fingerprint=AB:CD:…".
        let pem = format!("{form}.pem");
        let print = openssl(folder.path(), &["x509", "-in", &pem, "-noout", "-fingerprint", "-sha256"]);
        let colons = print.trim().split_once('=').unwrap().1.to_owned();
        let bytes: Vec<u8> = colons.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let thumbprint = match *form {
            "hex" => colons.replace(':', "").to_lowercase(),
            "upper-hex" => colons.replace(':', ""),
            "hex-with-colons" => colons,
            "base64url" => URL_SAFE_NO_PAD.encode(bytes),
            "certificate-file" => {
                builder = builder.file("registered/by-file.pem", credentials.chain_pem());
                String::new()
            }
            _ => {
                builder = builder.file("registered/by-file.der", credentials.leaf());
                String::new()
            }
        };
        let credential = match *form {
            "certificate-file" => "certificate = \"registered/by-file.pem\"".to_owned(),
            "der-file" => "certificate = \"registered/by-file.der\"".to_owned(),
            _ => format!("thumbprint = \"{thumbprint}\""),
        };
        builder = builder.application(form, "self_signed_tls_client_auth", &[credential]);
    }
    let edge = builder.start();
    for (form, credentials) in &made {
        passes(&Client::with(&edge, credentials), &upstream, form).await;
        let refused = refused(&edge, &Client::with(&edge, &self_signed(form)), &upstream, form).await;
        assert_eq!(
            refused.generic_refusal_reason(),
            format!("certificate thumbprint is not registered for \"{form}\"")
        );
    }
    edge.stop();
}
