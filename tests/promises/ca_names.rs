//! Comparison of CA names by RFC 5280 section 7.1, in certificates and CRLs: string type, case and whitespace do not matter.

use rcgen::{DistinguishedName, DnType, DnValue, SerialNumber};

use crate::support::{Ca, Client, Credentials, EdgeBuilder, Upstream, passes, refused, tool::openssl};

const DN: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";
const REVOKED: &str =
    "\"payments\" needs a chain to a client CA: the certificate or a CA on its path is revoked";

/// Encodings of one and the same name.
fn spellings() -> Vec<(&'static str, DnValue)> {
    vec![
        ("UTF8String", DnValue::Utf8String("Corp CA".into())),
        ("PrintableString", DnValue::PrintableString("Corp CA".try_into().unwrap())),
        ("IA5String", DnValue::Ia5String("Corp CA".try_into().unwrap())),
        ("BMPString", DnValue::BmpString("Corp CA".try_into().unwrap())),
        ("TeletexString", DnValue::TeletexString("Corp CA".try_into().unwrap())),
        ("another case", DnValue::Utf8String("CORP ca".into())),
        ("more spaces", DnValue::Utf8String("  Corp   CA ".into())),
    ]
}

fn named(value: &DnValue) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, value.clone());
    name
}

fn serial(ca: &Ca, number: u64) -> Credentials {
    ca.issue("payments", |p| p.serial_number = Some(SerialNumber::from(number)))
}

#[tokio::test]
async fn a_ca_name_matches_in_any_encoding() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Corp CA");
    let below = ca.intermediate("Issuing CA", |_| {});
    for (spelling, value) in spellings() {
        let twin = ca.twin(|p| p.distinguished_name = named(&value));
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("ca", &twin.pem())
            .ca_application("payments", &format!("{DN}\nca = \"ca.pem\""))
            .start();
        for credentials in [ca.issue("payments", |_| {}), below.issue("payments", |_| {})] {
            let seen = passes(&Client::with(&edge, &credentials), &upstream, "payments").await;
            assert_eq!(seen.header("client-certificate-ca-verified"), "SUCCESS", "{spelling}");
        }
        edge.stop();
    }
}

#[tokio::test]
async fn an_intermediates_name_matches_in_any_encoding() {
    let upstream = Upstream::start().await;
    let root = Ca::new("Root CA");
    let issuing = root.intermediate("Corp CA", |_| {});
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("root", &root.pem())
        .ca_application("payments", DN)
        .start();
    for (_, value) in spellings() {
        let twin = issuing.twin_below(&root, |p| p.distinguished_name = named(&value));
        let credentials = issuing.issue("payments", |_| {}).with_chain(&[twin]);
        passes(&Client::with(&edge, &credentials), &upstream, "payments").await;
    }
    edge.stop();
}

#[tokio::test]
async fn a_crl_issuer_matches_in_any_encoding() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Corp CA");
    for (spelling, value) in spellings() {
        let list = ca.twin(|p| p.distinguished_name = named(&value)).crl(&[2]);
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("ca", &ca.pem())
            .file("ca.crl", list)
            .trust_settings("crls = [\"ca.crl\"]")
            .ca_application("payments", DN)
            .start();
        passes(&Client::with(&edge, &serial(&ca, 1)), &upstream, "payments").await;
        let refused = refused(&edge, &Client::with(&edge, &serial(&ca, 2)), &upstream, "payments").await;
        assert_eq!(refused.generic_refusal_reason(), REVOKED, "{spelling}");
        edge.stop();
    }
}

#[tokio::test]
async fn a_forged_crl_is_refused_in_any_name_encoding() {
    let ca = Ca::new("Corp CA");
    for (spelling, value) in spellings() {
        let impostor = Ca::with("Corp CA", |p| p.distinguished_name = named(&value));
        let builder = EdgeBuilder::new("http://127.0.0.1:1".to_owned())
            .usual_domain("auth0")
            .trust("ca", &ca.pem())
            .file("ca.crl", impostor.crl(&[]))
            .trust_settings("crls = [\"ca.crl\"]")
            .ca_application("payments", DN);
        let output = builder.output("check");
        let printed = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{spelling}: {printed}");
        assert!(printed.contains("but not signed by it: forged"), "{spelling}: {printed}");
    }
}

#[tokio::test]
async fn a_reissued_ca_works_beside_the_old_one() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Corp CA");
    let printed = DnValue::PrintableString("Corp CA".try_into().unwrap());
    let twin = ca.twin(|p| p.distinguished_name = named(&printed));
    for pin in ["old", "new"] {
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("old", &ca.pem())
            .trust("new", &twin.pem())
            .file("ca.crl", twin.crl(&[2]))
            .trust_settings("crls = [\"ca.crl\"]")
            .ca_application("payments", &format!("{DN}\nca = \"{pin}.pem\""))
            .start();
        for issuer in [&ca, &twin] {
            passes(&Client::with(&edge, &serial(issuer, 1)), &upstream, "payments").await;
            let refused =
                refused(&edge, &Client::with(&edge, &serial(issuer, 2)), &upstream, "payments").await;
            assert_eq!(refused.generic_refusal_reason(), REVOKED);
        }
        edge.stop();
    }
}

/// A CRL that `openssl` signs with this digest for the CA whose certificate is `ca.pem`.
fn openssl_list(folder: &std::path::Path, digest: &str) {
    let config = "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\ndefault_crl_days = 30\ncrlnumber = number.txt\ncertificate = ca.pem\nprivate_key = ca.key\ndefault_md = sha256\n";
    std::fs::write(folder.join("ca.cnf"), config).unwrap();
    std::fs::write(folder.join("index.txt"), "").unwrap();
    std::fs::write(folder.join("number.txt"), "01\n").unwrap();
    openssl(
        folder,
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=OpenSSL CA",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ],
    );
    openssl(folder, &["ca", "-config", "ca.cnf", "-gencrl", "-md", digest, "-out", "ca.crl"]);
}

#[tokio::test]
async fn a_crls_unsupported_algorithm_is_named() {
    for (digest, algorithm) in [
        ("sha1", "sha1WithRSAEncryption (1.2.840.113549.1.1.5)"),
        ("sha224", "sha224WithRSAEncryption (1.2.840.113549.1.1.14)"),
    ] {
        let builder = EdgeBuilder::new("http://127.0.0.1:1".to_owned()).usual_domain("auth0");
        openssl_list(builder.path(), digest);
        let builder = builder
            .client_ca("\"ca.pem\"")
            .trust_settings("crls = [\"ca.crl\"]")
            .ca_application("payments", DN);
        let output = builder.output("check");
        let printed = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
        let expected = format!(
            "error: trust.crls: ca.crl: CRL 1: the CRL of the client CA \"CN=OpenSSL CA\" is signed with {algorithm}, which is not accepted"
        );
        assert!(printed.contains(&expected), "{printed}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[tokio::test]
async fn a_crl_of_an_unknown_ca_is_a_warning() {
    let (ca, other) = (Ca::new("Corp CA"), Ca::new("Unknown CA"));
    let builder = EdgeBuilder::new("http://127.0.0.1:1".to_owned())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .file("other.crl", other.crl(&[]))
        .trust_settings("crls = [\"other.crl\"]")
        .ca_application("payments", DN);
    let output = builder.output("check");
    let printed = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    assert!(
        printed
            .contains("warning: trust.crls: other.crl: the CRL of \"CN=Unknown CA\" is not from a client CA"),
        "{printed}"
    );
    assert_eq!(output.status.code(), Some(0), "{printed}");
}

#[tokio::test]
async fn a_crl_from_the_future_does_not_replace_a_current_one() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Corp CA");
    let builder = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .file("a.crl", ca.crl(&[2]))
        .file("b.crl", ca.crl_between(&[], 86_400, 2 * 86_400))
        .trust_settings("crls = [\"a.crl\", \"b.crl\"]")
        .ca_application("payments", DN);
    let edge = builder.start();
    passes(&Client::with(&edge, &serial(&ca, 1)), &upstream, "payments").await;
    let is_revoked = async |number| {
        let refused = refused(&edge, &Client::with(&edge, &serial(&ca, number)), &upstream, "payments").await;
        assert_eq!(refused.generic_refusal_reason(), REVOKED);
    };
    is_revoked(2).await;
    // Within the permitted clock skew a CRL is in force.
    edge.reload("b.crl", &ca.crl_between(&[3], 60, 86_400));
    is_revoked(3).await;
    passes(&Client::with(&edge, &serial(&ca, 2)), &upstream, "payments").await;
    // If it is the only CRL of its CA, it is used.
    edge.reload("b.crl", &ca.crl_between(&[4], 86_400, 2 * 86_400));
    is_revoked(2).await;
    edge.reload("a.crl", &ca.crl_between(&[4], 86_400, 2 * 86_400));
    is_revoked(4).await;
    edge.stop();
}
