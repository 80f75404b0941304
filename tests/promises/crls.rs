//! CRLs of every kind, those of `openssl ca` among them: which are accepted, and what they revoke.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::SerialNumber;

use crate::support::{Ca, Client, Credentials, Edge, EdgeBuilder, Upstream, admin, tool::openssl};

const CONFIG: &str = r"
[ca]
default_ca = own
[own]
dir = .
database = index.txt
crlnumber = number.txt
certificate = client-ca.pem
private_key = ca.key
default_md = sha256
default_crl_days = 30
[plain]
authorityKeyIdentifier = keyid
[indirect]
issuingDistributionPoint = critical, @of_others
[of_others]
fullname = URI:http://crl.example/all.crl
indirectCRL = TRUE
[delta]
2.5.29.27 = critical, ASN1:INTEGER:1
[reasons]
issuingDistributionPoint = critical, @keys_only
[keys_only]
fullname = URI:http://crl.example/keys.crl
onlysomereasons = keyCompromise
[users]
issuingDistributionPoint = critical, @users_only
[users_only]
onlyuser = TRUE
";

/// A CA made by the openssl command, with a CRL of each kind: `KIND.crl`.
fn openssl_ca(folder: &Path) {
    fs::write(folder.join("ca.cnf"), CONFIG).unwrap();
    fs::write(folder.join("index.txt"), "").unwrap();
    fs::write(folder.join("number.txt"), "01\n").unwrap();
    let usage = "keyUsage=critical,keyCertSign,cRLSign";
    let subject = "/CN=OpenSSL CA";
    openssl(
        folder,
        &["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
            .iter()
            .chain(&["-subj", subject, "-addext", usage, "-keyout", "ca.key", "-out", "client-ca.pem"])
            .copied()
            .collect::<Vec<_>>(),
    );
    for kind in ["plain", "indirect", "delta", "reasons", "users"] {
        let out = format!("{kind}.crl");
        openssl(folder, &["ca", "-config", "ca.cnf", "-gencrl", "-crlexts", kind, "-out", &out]);
    }
}

/// CRLs that lack what RFC 5280 section 5 requires, as `openssl ca` makes them without `crlnumber`: `version1.crl`, and derived from
/// it, with version 2, `extensions.crl` and `next-update.crl`.
fn openssl_lists_that_lack(folder: &Path) {
    let config: String = CONFIG
        .lines()
        .filter(|line| !line.starts_with("crlnumber"))
        .fold(String::new(), |all, line| all + line + "\n");
    fs::write(folder.join("old.cnf"), config).unwrap();
    openssl(folder, &["ca", "-config", "old.cnf", "-gencrl", "-out", "version1.crl"]);
    openssl(folder, &["crl", "-in", "version1.crl", "-outform", "DER", "-out", "version1.der"]);
    let list = fs::read(folder.join("version1.der")).unwrap();
    // 30 81 length, 30 length; the signed part ends with nextUpdate, of 15 bytes.
    let (tbs, signature) = list[5..].split_at(usize::from(list[4]));
    for (name, tbs) in [("extensions", tbs), ("next-update", &tbs[..tbs.len() - 15])] {
        let tbs = [&[2, 1, 1], tbs].concat();
        let body = [&[0x30, u8::try_from(tbs.len()).unwrap()], &tbs[..], signature].concat();
        fs::write(
            folder.join("list.der"),
            [&[0x30, 0x81, u8::try_from(body.len()).unwrap()], &body[..]].concat(),
        )
        .unwrap();
        openssl(folder, &["crl", "-inform", "DER", "-in", "list.der", "-out", &format!("{name}.crl")]);
    }
}

const FULL: &str = "expected a full version 2 CRL of the CA's own, with nextUpdate";

#[tokio::test]
async fn an_unsupported_crl_is_rejected_by_kind() {
    let upstream = Upstream::start().await;
    let client = crate::support::self_signed("billing");
    let builder = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[client.thumbprint()])
        .trust("client-ca", "")
        .trust_settings("crls = [\"list.crl\"]");
    openssl_ca(builder.path());
    openssl_lists_that_lack(builder.path());
    let folder = builder.path().to_owned();
    let list = |kind: &str| fs::read_to_string(folder.join(format!("{kind}.crl"))).unwrap();
    let forged = Ca::with("OpenSSL CA", |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, rcgen::DnValue::Utf8String("OpenSSL CA".into()));
    });
    let cases = [
        ("indirect", list("indirect"), format!("an indirect CRL, which covers certificates of other CAs; {FULL}")),
        ("delta", list("delta"), format!("a delta CRL, which lists only the changes since another CRL; {FULL}")),
        ("reasons", list("reasons"), format!("a CRL for some revocation reasons only; {FULL}")),
        (
            "users",
            list("users"),
            format!("a partitioned CRL without the full name of its distribution point; {FULL}"),
        ),
        ("version 1", list("version1"), format!("a CRL of version 1; {FULL}")),
        ("nextUpdate", list("next-update"), format!("a CRL without nextUpdate; {FULL}")),
        (
            "extensions",
            list("extensions"),
            format!("a CRL without extensions, which has no CRL number; {FULL}"),
        ),
        (
            "forged",
            forged.crl(&[]),
            "a CRL with the name of the client CA \"CN=OpenSSL CA\", but not signed by it: forged, or issued by another CA of that name".to_owned(),
        ),
    ];
    for (kind, text, message) in &cases {
        fs::write(folder.join("list.crl"), text).unwrap();
        let output = builder.output("check");
        assert_eq!(output.status.code(), Some(1), "{kind}");
        let printed = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
        assert!(
            printed.contains(&format!("error: trust.crls: list.crl: CRL 1: {message}\n")),
            "{kind}: {printed}"
        );
        assert!(printed.contains("help: provide the complete CRL that the CA has signed"), "{printed}");
    }
    fs::write(folder.join("list.crl"), list("plain")).unwrap();
    let edge = builder.start();
    for (kind, text, message) in &cases {
        fs::write(folder.join("list.crl"), text).unwrap();
        let line: serde_json::Value =
            serde_json::from_str(&edge.wait_for_log(&message.replace('"', "\\\""))).unwrap();
        assert_eq!(line["message"], "reload rejected; keeping the active configuration", "{kind}: {line}");
        assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    }
    edge.stop();
}

/// A root with an intermediate of serial 7, a client of the intermediate with serial 2, and an edge that trusts the root.
struct Hierarchy {
    edge: Edge,
    root: Ca,
    issuing: Ca,
    client: Credentials,
}

impl Hierarchy {
    async fn new(settings: &str) -> (Self, Upstream) {
        let upstream = Upstream::start().await;
        let root = Ca::new("Root CA");
        let issuing =
            root.intermediate("Issuing CA", |params| params.serial_number = Some(SerialNumber::from(7u64)));
        let client =
            issuing.issue("payments", |params| params.serial_number = Some(SerialNumber::from(2u64)));
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("client-ca", &root.pem())
            .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
            .file("lists.pem", root.crl(&[]) + &issuing.crl(&[]))
            .trust_settings(&format!("crls = [\"lists.pem\"]\n{settings}"))
            .start();
        (Self { edge, root, issuing, client }, upstream)
    }

    async fn status(&self) -> u16 {
        Client::with(&self.edge, &self.client).token("payments").await.status.as_u16()
    }
}

#[tokio::test]
async fn the_depth_is_the_whole_chain_or_the_leaf_only() {
    for (settings, intermediate_revoked) in [("", 401), ("crl_depth = \"leaf\"", 200)] {
        let (parts, _upstream) = Hierarchy::new(settings).await;
        assert_eq!(parts.status().await, 200);
        parts.edge.reload("lists.pem", &(parts.root.crl(&[7]) + &parts.issuing.crl(&[])));
        assert_eq!(parts.status().await, intermediate_revoked, "{settings}");
        parts.edge.reload("lists.pem", &(parts.root.crl(&[]) + &parts.issuing.crl(&[2])));
        assert_eq!(parts.status().await, 401, "{settings}");
        admin::assert_counted(&parts.edge, "certificate_revoked").await;
        parts.edge.reload("lists.pem", &(parts.root.crl(&[9]) + &parts.issuing.crl(&[9])));
        assert_eq!(parts.status().await, 200, "{settings}");
    }
}

#[tokio::test]
async fn the_newest_crl_applies_in_pem_and_der() {
    let (parts, _upstream) = Hierarchy::new("").await;
    let list = |revoked: &[u64], age: i64| parts.issuing.crl_between(revoked, -age, 86_400);
    // That of the root has to stay.
    let of_root = parts.root.crl(&[]);
    // In one file, in either order.
    for (first, second, status) in [
        (list(&[2], 100), list(&[], 200), 401),
        (list(&[2], 200), list(&[], 100), 200),
        (list(&[], 100), list(&[2], 200), 200),
        (list(&[], 200), list(&[2], 100), 401),
    ] {
        parts.edge.reload("lists.pem", &(first + &second + &of_root));
        assert_eq!(parts.status().await, status);
    }
    // In separate files, one of them DER.
    let pem = list(&[], 50);
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    fs::write(parts.edge.folder.path().join("list.der"), STANDARD.decode(body).unwrap()).unwrap();
    let text = fs::read_to_string(parts.edge.folder.path().join("edge.toml")).unwrap();
    parts.edge.reload("edge.toml", &text.replace("[\"lists.pem\"]", "[\"lists.pem\", \"list.der\"]"));
    assert_eq!(parts.status().await, 200);
    parts.edge.reload("lists.pem", &(list(&[2], 10) + &of_root));
    assert_eq!(parts.status().await, 401);
}
