//! An encrypted private key in PEM is decrypted with `private_key_password`, and a missing or wrong one is explained.

use std::fs;

use http::Response;
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

use crate::support::{
    Ca, Client, Credentials, DOMAIN, EdgeBuilder, Upstream, admin,
    scripted::{Scripted, https, mutual_acceptor, serve_http},
    tool::openssl,
    with_client,
};

const PASSWORD: &str = "swordfish 7\u{20ac}";
const ROUTE: &str = "client_auth = \"off\"\n[[domain.route]]\npath = \"/a\"\nauthenticate = \"none\"\n";

/// Writes `NAME.pem`, and `NAME.key` encrypted by `openssl pkcs8 -topk8` with these arguments.
fn encrypt(builder: EdgeBuilder, name: &str, credentials: &Credentials, arguments: &str) -> EdgeBuilder {
    let folder = builder.path().to_owned();
    credentials.write(&folder, name);
    fs::write(folder.join("export.pass"), PASSWORD).unwrap();
    let key = format!("{name}.key");
    let own = ["pkcs8", "-topk8", "-in", &key, "-passout", "file:export.pass", "-out", "encrypted.key"];
    openssl(&folder, &own.into_iter().chain(arguments.split_whitespace()).collect::<Vec<_>>());
    let encrypted = fs::read_to_string(folder.join("encrypted.key")).unwrap();
    assert!(encrypted.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    builder.secret_file(&key, encrypted)
}

fn table(password: &str) -> String {
    format!(
        "[[domain]]\nname = \"{DOMAIN}\"\ncertificate = \"a.pem\"\nprivate_key = \"a.key\"\n{password}\n{ROUTE}"
    )
}

const FROM_FILE: &str = "private_key_password = { file = \"secrets/a.pass\" }";

#[tokio::test]
async fn encrypted_keys_are_served() {
    let ca = Ca::new("Server CA");
    for arguments in ["", "-v2 aes128", "-v2 des3 -v2prf hmacWithSHA1", "-v2prf hmacWithSHA512 -iter 100000"]
    {
        let server = ca.server(&[DOMAIN]);
        let builder =
            EdgeBuilder::new("http://127.0.0.1:1").file("secrets/a.pass", format!("{PASSWORD}\r\n"));
        let edge = encrypt(builder, "a", &server, arguments).extra(&table(FROM_FILE)).start();
        let stream = Client::new(&(edge.https, ca.der())).tls().await.unwrap();
        assert_eq!(stream.get_ref().1.peer_certificates().unwrap(), server.chain, "{arguments}");
        let log = edge.stop();
        assert!(!log.contains("swordfish"), "{log}");
    }
}

#[tokio::test]
async fn one_password_serves_all_keys_of_a_domain() {
    let (rsa, ecdsa) = (Ca::with_keys("CA", &PKCS_RSA_SHA256), Ca::with_keys("CA", &PKCS_ECDSA_P256_SHA256));
    let [rsa, ecdsa] = [rsa, ecdsa].map(|ca| ca.server(&[DOMAIN]));
    let builder = EdgeBuilder::new("http://127.0.0.1:1").environment("KEY_PASSWORD", PASSWORD);
    // One of them is not encrypted.
    let builder = encrypt(builder, "rsa", &rsa, "");
    ecdsa.write(builder.path(), "ecdsa");
    let output = builder
        .extra(&format!(
            "[[domain]]\nname = \"{DOMAIN}\"\ncertificate = [\"ecdsa.pem\", \"rsa.pem\"]\nprivate_key = [\"ecdsa.key\", \"rsa.key\"]\nprivate_key_password = {{ env = \"KEY_PASSWORD\" }}\n{ROUTE}"
        ))
        .output("check");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !printed.contains("superfluous"), "{printed}");
}

#[test]
fn a_missing_or_wrong_password_is_explained() {
    let server = Ca::new("Server CA").server(&[DOMAIN]);
    let with = |password: &str| {
        let builder = EdgeBuilder::new("http://127.0.0.1:1").secret_file("secrets/a.pass", password);
        encrypt(builder, "a", &server, "")
    };
    let both = |builder: EdgeBuilder| {
        let folder = builder.path().to_owned();
        let whole = ["a.pem", "a.key"].map(|file| fs::read_to_string(folder.join(file)).unwrap()).concat();
        builder.secret_file("a.pem", &whole).secret_file("a.key", "")
    };
    let shared = |password: &str| table(password).replace("a.key", "a.pem");
    let traditional = with(PASSWORD);
    server.write(traditional.path(), "a");
    openssl(
        traditional.path(),
        &["ec", "-in", "a.key", "-aes128", "-passout", "file:export.pass", "-out", "t.key"],
    );
    let content = fs::read(traditional.path().join("t.key")).unwrap();
    let traditional = traditional.secret_file("a.key", content);
    let plain = with(PASSWORD);
    server.write(plain.path(), "a");
    for (builder, lines, accepted, expected) in [
        (with(PASSWORD), table(FROM_FILE), true, ""),
        (both(with(PASSWORD)), shared(FROM_FILE), true, ""),
        (both(with(PASSWORD)), shared(""), false, "a private key that is encrypted with a password"),
        (with(PASSWORD), table(""), false, "line 1: found a private key that is encrypted with a password"),
        (
            with(PASSWORD),
            table(""),
            false,
            "write under [[domain]]: private_key_password = { file = \"secrets/server.pass\" }, and the password into that file; or remove the password: openssl pkey -in",
        ),
        (with("swordfish"), table(FROM_FILE), false, "cannot be decrypted: the password is wrong, or"),
        (with("swordfish"), table(FROM_FILE), false, "to try it: openssl pkey -in"),
        (with("swordfish"), table(FROM_FILE), false, "domain.private_key_password"),
        (with(""), table(FROM_FILE), false, "a.pass is empty, expected a password"),
        (
            with(PASSWORD),
            table(&FROM_FILE.replace("a.pass", "none")),
            false,
            "domain.private_key_password: secrets/none cannot be read: No such file",
        ),
        (
            with(PASSWORD),
            table("private_key_password = { env = \"NOT_SET\" }"),
            false,
            "the environment variable NOT_SET is not set",
        ),
        (
            with(PASSWORD),
            table(&format!("private_key_password = \"{PASSWORD}\"")),
            false,
            "secrets are not written in the configuration",
        ),
        (traditional, table(FROM_FILE), false, "in the traditional form (Proc-Type: 4,ENCRYPTED)"),
        (
            plain,
            table(FROM_FILE),
            true,
            "private_key_password is superfluous: the private key is not encrypted",
        ),
    ] {
        let output = builder.extra(&lines).output("check");
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), accepted, "{expected}\n{printed}");
        assert!(printed.contains(expected) && !printed.contains("swordfish"), "{expected}\n{printed}");
    }
}

#[tokio::test]
async fn an_upstream_gets_the_certificate_of_an_encrypted_key() {
    let ca = Ca::new("Upstream CA");
    let acceptor = mutual_acceptor(&ca.server(&["localhost"]), &["http/1.1"], &ca);
    let upstream = Scripted::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            serve_http(stream, false, |_| async { Response::new("{}".to_owned().into()) }).await;
        }
    })
    .await;
    let builder = EdgeBuilder::new(https(&upstream))
        .file("upstream-ca.pem", ca.pem())
        .file("secrets/a.pass", PASSWORD)
        .upstream("ca = \"upstream-ca.pem\"");
    let builder = encrypt(builder, "edge", &ca.issue("edge", |_| {}), "")
        .upstream(&format!("client_certificate = \"edge.pem\"\nprivate_key = \"edge.key\"\n{FROM_FILE}"));
    let (edge, client) = with_client(builder);
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
}

#[tokio::test]
async fn a_changed_password_file_is_read_again() {
    let upstream = Upstream::start().await;
    let server = Ca::new("Server CA").server(&[DOMAIN]);
    let builder = EdgeBuilder::new(upstream.url()).secret_file("secrets/a.pass", PASSWORD);
    let edge = encrypt(builder, "a", &server, "").extra(&table(FROM_FILE)).start();
    fs::write(edge.folder.path().join("secrets/a.pass"), "another word").unwrap();
    let line = edge.wait_for_log("cannot be decrypted");
    assert!(line.contains("reload rejected; keeping the active configuration"), "{line}");
    let problems = admin::status(&edge, "").await["health"]["problems"].to_string();
    assert!(problems.contains("reload_rejected"), "{problems}");
    fs::write(edge.folder.path().join("secrets/a.pass"), PASSWORD).unwrap();
    admin::happens(async || {
        let problems = admin::status(&edge, "").await["health"]["problems"].to_string();
        !problems.contains("reload_rejected")
    })
    .await;
    let log = edge.stop();
    assert!(!log.contains("another word"), "{log}");
}
