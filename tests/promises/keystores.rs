//! A certificate and its key in a PKCS#12 file, as Java and Windows keep them: it is served, and what cannot be used is explained.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path};

use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::support::{
    Ca, Client, Credentials, DOMAIN, EdgeBuilder, Upstream, admin,
    certificates::{pem, time_from_now},
    self_signed,
    tool::{keytool, openssl},
};

/// Lines of a table with a keystore and its password.
const P12: &str = "certificate = \"a.p12\"\nprivate_key = \"a.p12\"\n";
const WITH_PASSWORD: &str = "private_key_password = { file = \"a.pass\" }\n";
const PASSWORD: &str = "correct horse \u{e4}\u{df}";

/// Makes the keystore `NAME.p12` with `openssl pkcs12 -export` and these arguments.
fn export(folder: &Path, name: &str, credentials: &Credentials, password: &str, arguments: &str) {
    credentials.write(folder, name);
    fs::write(folder.join("chain.pem"), credentials.chain_pem()).unwrap();
    // openssl does not read an empty password from a file.
    let password = format!("pass:{password}");
    let (file, certificate, key) = (format!("{name}.p12"), format!("{name}.pem"), format!("{name}.key"));
    let own = ["pkcs12", "-export", "-in", &certificate, "-inkey", &key, "-out", &file];
    let arguments = arguments.split_whitespace();
    let arguments: Vec<&str> = own.into_iter().chain(["-passout", &password]).chain(arguments).collect();
    openssl(folder, &arguments);
    for made in [file, key] {
        fs::set_permissions(folder.join(made), PermissionsExt::from_mode(0o600)).unwrap();
    }
}

/// The chain that a client of this domain gets.
async fn served(
    edge: SocketAddr,
    ca: &CertificateDer<'static>,
    domain: &str,
) -> Vec<CertificateDer<'static>> {
    let client = Client::new(&(edge, ca.clone())).server_name(domain);
    let stream = client.tls().await.unwrap_or_else(|error| panic!("{domain}: {error}"));
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain.iter().map(|certificate| certificate.clone().into_owned()).collect()
}

#[tokio::test]
async fn keystores_of_openssl_are_served() {
    let root = Ca::new("Root CA");
    let ca = root.intermediate("Intermediate CA", |_| ());
    let mut builder = EdgeBuilder::new("http://127.0.0.1:1");
    let mut made = Vec::new();
    for (number, arguments) in [
        "",
        "-certpbe AES-128-CBC -keypbe AES-192-CBC -macalg sha512 -iter 100000",
        "-macalg sha384",
        "-nomac",
        "-nomaciter -noiter",
        "-certpbe NONE -keypbe NONE",
        "-legacy",
        "-legacy -descert",
        "-legacy -certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-2DES",
        "-name server -caname ca",
    ]
    .into_iter()
    .enumerate()
    {
        let domain = format!("d{number}.example.test");
        // openssl encodes the passwords of its older schemes by the locale.
        let password = if arguments.contains("legacy") { "correct horse" } else { PASSWORD };
        let server = ca.server(&[&domain]);
        export(builder.path(), &domain, &server, password, arguments);
        let lines = format!("certificate = \"{domain}.p12\"\nprivate_key = \"{domain}.p12\"");
        let variable = format!("PASSWORD_{number}");
        builder = builder.environment(&variable, password).extra(&format!(
            "[[domain]]\nname = \"{domain}\"\n{lines}\nprivate_key_password = {{ env = \"{variable}\" }}\nclient_auth = \"off\"\n[[domain.route]]\npath = \"/a\"\nauthenticate = \"none\"\n"
        ));
        made.push((domain, server));
    }
    let edge = builder.start();
    for (domain, server) in made {
        assert_eq!(served(edge.https, &root.der(), &domain).await, server.chain, "{domain}");
    }
    let log = edge.stop();
    assert!(!log.contains("correct horse"), "{log}");
}

#[tokio::test]
async fn the_chain_is_served_leaf_first_in_the_order_of_issuers() {
    let root = Ca::new("Root CA");
    let ca = root.intermediate("Upper CA", |_| ()).intermediate("Lower CA", |_| ());
    let server = ca.server(&[DOMAIN]);
    let builder = EdgeBuilder::new("http://127.0.0.1:1").file("a.pass", PASSWORD);
    let folder = builder.path().to_owned();
    // Of two CAs with one name, the one whose key has signed the certificate belongs to the chain.
    let namesake = root.intermediate("Lower CA", |_| ());
    let unsorted =
        [&root.der(), &server.chain[2], &namesake.der(), &self_signed("other").chain[0], &server.chain[1]];
    fs::write(folder.join("others.pem"), unsorted.map(pem).concat()).unwrap();
    // Of two certificates of the key, the later one is served.
    let key = KeyPair::from_pem(&server.key_pem()).unwrap();
    let old = ca.issue_to(&key, "old", |params| params.not_after = time_from_now(3600));
    let both = old.with_chain(&server.chain[..1]);
    export(&folder, "a", &both, PASSWORD, "-certfile others.pem");
    let lines = "client_auth = \"off\"\n[[domain.route]]\npath = \"/a\"\nauthenticate = \"none\"\n";
    let edge =
        builder.extra(&format!("[[domain]]\nname = \"{DOMAIN}\"\n{P12}{WITH_PASSWORD}{lines}")).start();
    let expected = [server.chain, vec![root.der()]].concat();
    assert_eq!(served(edge.https, &root.der(), DOMAIN).await, expected);
}

#[tokio::test]
async fn keystores_of_keytool_are_served() {
    let mut builder = EdgeBuilder::new("http://127.0.0.1:1").file("a.pass", "changeit\n");
    let folder = builder.path().to_owned();
    let keytool = |arguments: &str| {
        keytool(
            &folder,
            &["-storepass", "changeit"].into_iter().chain(arguments.split(' ')).collect::<Vec<_>>(),
        );
    };
    for (name, options, reading) in [
        ("ec", "-keyalg EC -groupname secp256r1", ""),
        ("rsa", "-keyalg RSA -keysize 2048", ""),
        // The encryption of Java before 8u301 and 11.0.12.
        ("old", "-keyalg EC -groupname secp384r1 -J-Dkeystore.pkcs12.legacy", " -legacy"),
    ] {
        let domain = format!("{name}.example.test");
        keytool(&format!(
            "-genkeypair -alias server -dname CN={domain} -ext san=dns:{domain} -validity 30 -storetype PKCS12 -keystore {name}.p12 {options}"
        ));
        let reading = format!("pkcs12 -in {name}.p12 -passin pass:changeit -nokeys -out {name}.pem{reading}");
        openssl(&folder, &reading.split(' ').collect::<Vec<_>>());
        builder = builder.extra(&format!(
            "[[domain]]\nname = \"{domain}\"\ncertificate = \"{name}.p12\"\nprivate_key = \"{name}.p12\"\n{WITH_PASSWORD}client_auth = \"off\"\n[[domain.route]]\npath = \"/a\"\nauthenticate = \"none\"\n"
        ));
    }
    // An entry of a trusted certificate, which has no key, is not a part of the chain.
    fs::write(folder.join("other.pem"), self_signed("other").chain_pem()).unwrap();
    keytool("-importcert -alias other -file other.pem -keystore ec.p12");
    let edge = builder.start();
    for name in ["ec", "rsa", "old"] {
        let certificate = CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap();
        let served = served(edge.https, &certificate, &format!("{name}.example.test")).await;
        assert_eq!(served, [certificate], "{name}");
    }
}

/// Exit status and problems of `check` of a domain with these lines.
fn check(builder: EdgeBuilder, lines: &str) -> (bool, String) {
    let builder = builder.domain("other.example.test", "");
    let output = builder.extra(&format!("[[domain]]\nname = \"{DOMAIN}\"\n{lines}")).output("check");
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_cannot_be_used_is_explained() {
    let server = Ca::new("Server CA").server(&[DOMAIN]);
    let with = |password: &str, arguments: &str| {
        let builder = EdgeBuilder::new("http://127.0.0.1:1").secret_file("a.pass", "correct");
        export(builder.path(), "a", &server, password, arguments);
        builder
    };
    let both = format!("{P12}{WITH_PASSWORD}");
    let damaged = with("correct", "");
    let mut content = fs::read(damaged.path().join("a.p12")).unwrap();
    content[200] ^= 1;
    let damaged = damaged.secret_file("a.p12", &content);
    for (builder, lines, expected) in [
        (with("correct", ""), P12, "a.p12 is a PKCS#12 file that is encrypted with a password"),
        (
            with("correct", ""),
            P12,
            "write under [[domain]]: private_key_password = { file = \"secrets/server.pass\" }",
        ),
        (with("correct", ""), P12, "remove the password: openssl pkcs12 -in a.p12 -noenc"),
        (
            with("other", ""),
            &both,
            "a.p12 cannot be decrypted: the password is wrong, or the file is damaged",
        ),
        (with("other", ""), &both, "to try it: openssl pkcs12 -in a.p12 -noout -passin file:a.pass"),
        (damaged, &both, "the password is wrong, or the file is damaged"),
        (with("other", "-nomac"), &both, "the password is wrong, or the file is damaged"),
        (with("correct", "-nocerts"), &both, "contains no certificate, expected that of its private key"),
        (with("correct", "-nokeys"), &both, "contains no private key, expected one with its certificate"),
        (
            with("correct", "-legacy -keypbe PBE-SHA1-RC4-128"),
            &both,
            "a.p12 is encrypted by 1.2.840.113549.1.12.1.1, which is not supported",
        ),
        (
            with("correct", "-legacy -keypbe PBE-SHA1-RC4-128"),
            &both,
            "openssl pkcs12 -export -in all.pem -out a.p12.new",
        ),
        (with("correct", "").secret_file("a.pass", ""), &both, "a.pass is empty, expected a password"),
        (with("correct", "").secret_file("a.pass", "a\nb"), &both, "a.pass has several lines"),
        (
            with("correct", ""),
            "certificate = \"a.p12\"\nprivate_key = \"a.key\"",
            "name the same file as private_key, too, with its password as private_key_password; or run: openssl pkcs12 -in a.p12 -nokeys",
        ),
        (
            with("correct", ""),
            "certificate = \"a.pem\"\nprivate_key = \"a.p12\"",
            "name the same file as certificate, too, with its password as private_key_password; or run: openssl pkcs12 -in a.p12 -nocerts",
        ),
    ] {
        let (accepted, printed) = check(builder, lines);
        // The problems name files by their whole path.
        let printed = without_folders(&printed);
        assert!(!accepted && printed.contains(expected), "{expected}\n{printed}");
        assert!(!printed.contains("correct"), "{printed}");
    }
}

/// The text without the folders of temporary files.
fn without_folders(text: &str) -> String {
    let mut parts = text.split("/tmp/.tmp");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('/').map_or(part, |(_, rest)| rest))
}

#[test]
fn a_keystore_without_a_password_needs_none() {
    let server = Ca::new("Server CA").server(&[DOMAIN]);
    for arguments in ["", "-legacy", "-nomac -certpbe NONE -keypbe NONE"] {
        let builder = EdgeBuilder::new("http://127.0.0.1:1");
        export(builder.path(), "a", &server, "", arguments);
        let (accepted, printed) = check(builder, P12);
        assert!(accepted && !printed.contains("a.p12"), "{arguments}: {printed}");
    }
    let builder = EdgeBuilder::new("http://127.0.0.1:1").secret_file("a.pass", "needless");
    export(builder.path(), "a", &server, "", "-nomac -certpbe NONE -keypbe NONE");
    let (accepted, printed) = check(builder, &format!("{P12}{WITH_PASSWORD}"));
    assert!(accepted && printed.contains("private_key_password is superfluous"), "{printed}");
}

#[test]
fn several_keys_are_refused_by_their_names() {
    let builder = EdgeBuilder::new("http://127.0.0.1:1").secret_file("a.pass", "changeit");
    for alias in ["first", "second \u{4f60}"] {
        let own = ["-storepass", "changeit", "-genkeypair", "-keystore", "a.p12"];
        let own = own.into_iter().chain(["-storetype", "PKCS12", "-keyalg", "EC", "-dname", "CN=a"]);
        keytool(builder.path(), &own.chain(["-alias", alias]).collect::<Vec<_>>());
    }
    let (accepted, printed) = check(builder, &format!("{P12}{WITH_PASSWORD}"));
    assert!(!accepted && printed.contains("contains 2 private keys (\"first\", \"second"), "{printed}");
    assert!(printed.contains("keytool -importkeystore -srckeystore"), "{printed}");
}

#[test]
fn a_keystore_that_others_can_read_gets_a_warning() {
    let server = Ca::new("Server CA").server(&[DOMAIN]);
    let builder = EdgeBuilder::new("http://127.0.0.1:1").secret_file("a.pass", "correct");
    export(builder.path(), "a", &server, "correct", "");
    fs::set_permissions(builder.path().join("a.p12"), PermissionsExt::from_mode(0o644)).unwrap();
    let (accepted, printed) = check(builder, &format!("{P12}{WITH_PASSWORD}"));
    assert!(accepted && printed.contains("a.p12 can be read by others (mode 644)"), "{printed}");
}

#[tokio::test]
async fn a_change_of_password_and_keystore_is_followed() {
    let ca = Ca::new("Server CA");
    let [old, new] = [90, 91]
        .map(|days| ca.server_with(&[DOMAIN], |params| params.not_after = time_from_now(days * 86_400)));
    let builder = EdgeBuilder::new("http://127.0.0.1:1").secret_file("a.pass", "old-word");
    let folder = builder.path().to_owned();
    export(&folder, "a", &old, "old-word", "");
    let lines = "client_auth = \"off\"\n[[domain.route]]\npath = \"/a\"\nauthenticate = \"none\"\n";
    let edge =
        builder.extra(&format!("[[domain]]\nname = \"{DOMAIN}\"\n{P12}{WITH_PASSWORD}{lines}")).start();
    assert_eq!(served(edge.https, &ca.der(), DOMAIN).await, old.chain);

    // The new file has another password, which is not written yet.
    export(&folder, "b", &new, "new-word", "");
    fs::rename(folder.join("b.p12"), folder.join("a.p12")).unwrap();
    let line = edge.wait_for_log("cannot be decrypted: the password is wrong");
    assert!(line.contains("reload rejected; keeping the active configuration"), "{line}");
    assert_eq!(served(edge.https, &ca.der(), DOMAIN).await, old.chain);
    let problems = admin::status(&edge, "").await["health"]["problems"].to_string();
    assert!(problems.contains("reload_rejected"), "{problems}");

    edge.reload("a.pass", "new-word");
    assert_eq!(served(edge.https, &ca.der(), DOMAIN).await, new.chain);
    let log = edge.stop();
    assert!(!log.contains("old-word") && !log.contains("new-word"), "{log}");
}

#[tokio::test]
async fn the_admin_address_serves_a_keystore() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Admin CA");
    let server = ca.server(&["localhost"]);
    let builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0").secret_file("a.pass", "correct");
    export(builder.path(), "a", &server, "correct", "");
    let edge = builder.extra(&format!("[admin]\n{P12}{WITH_PASSWORD}")).start();
    let chain = served(edge.admin, &ca.der(), "localhost").await;
    assert_eq!(chain, server.chain);
}
