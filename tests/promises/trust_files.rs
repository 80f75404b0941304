//! Files that an operator configures: no content is ignored silently, and errors are reported with a fix.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rcgen::{SanType, SerialNumber};

use crate::support::{Ca, Client, Credentials, DOMAIN, EdgeBuilder, Upstream, self_signed, tool::openssl};

const SAN: &str = "san_dns = \"billing.example\"";

fn client(ca: &Ca, serial: u64) -> Credentials {
    ca.issue("billing", |params| {
        params.serial_number = Some(SerialNumber::from(serial));
        params.subject_alt_names = vec![SanType::DnsName("billing.example".try_into().unwrap())];
    })
}

#[tokio::test]
async fn concatenated_crls_never_accept_a_revoked_client() {
    let (upstream, root) = (Upstream::start().await, Ca::new("Root CA"));
    let issuing = root.intermediate("Issuing CA", |_| {});
    let revoked = client(&issuing, 3);
    let (first, second) = (root.crl(&[]), issuing.crl(&[3]));
    let good = first.clone() + &second;
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("bundle", &(root.pem() + &issuing.pem()))
        .file("a.crl", &good)
        .trust_settings("crls = [\"a.crl\"]")
        .ca_application("billing", SAN)
        .start();
    let status = async || Client::with(&edge, &revoked).token("billing").await.status;
    assert_eq!(status().await, 401);
    for (count, bad) in [
        first.trim_end().to_owned() + &second,
        first.clone() + "# " + &second,
        first.clone() + &second.replace("BEGIN", "begin"),
        good.trim_end().trim_end_matches('-').to_owned(),
        first.clone() + &second.replacen("-----END", "\n-----END", 1),
        first.clone() + &second.replacen("\nM", "\n*M", 1),
        first.clone() + &second.replace("X509 CRL", "CRL"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(edge.folder.path().join("a.crl"), &bad).unwrap();
        edge.wait_for_logs("reload rejected", count + 1);
        assert_eq!(status().await, 401, "{bad}");
        edge.reload("a.crl", &format!("# {count}\n{good}"));
        fs::write(edge.folder.path().join("a.crl"), &good).unwrap();
        edge.wait_for_logs("\"reloaded\"", 2 * (count + 1));
    }
    // A byte order mark is not part of a CRL.
    edge.reload("a.crl", &format!("\u{feff}{second}{first}"));
    assert_eq!(status().await, 401);
    edge.stop();
}

#[test]
fn a_file_of_pem_is_read_as_openssl_reads_it_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Ca::new("Client CA");
    let other = Ca::new("Other CA");
    let (one, two) = (ca.pem(), other.pem());
    let variants = [
        one.clone() + &two,
        (one.clone() + &two).replace('\n', "\r\n"),
        one.trim_end().to_owned() + &two,
        one.clone() + "\n\n" + &two + "\n\n",
        one.clone() + " " + &two,
        format!("subject=CN = a\n{one}some words\n{two}"),
        one.clone() + &two.replacen("\n-----END", "\n\n-----END", 1),
        one.clone() + &two.replacen("-----\nM", "-----\n\nM", 1),
        one.clone() + &two.replacen("-----\nM", "-----\nX-Header: a\n\nM", 1),
        one.clone() + &two.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        one.clone() + &two.replace("CERTIFICATE", "X509 CERTIFICATE"),
        one.clone() + &two.replace("CERTIFICATE", "X509 CRL"),
        one.clone() + &two.replace("CERTIFICATE", "PKCS7"),
        one.clone() + &two.replace("END CERTIFICATE", "END X509 CRL"),
        one.clone() + &two.replace("BEGIN", "begin"),
        one.clone() + &two.replace("-----END CERTIFICATE-----\n", ""),
        one.clone() + &two.replacen("\nM", "\n M", 1),
        one.clone() + &two.replacen("=\n", "\n", 1),
        one.clone() + &two.replacen("\n-----END", "=\n-----END", 1),
        one.clone() + &two.replacen("\n-----END", "\nAAAA\n-----END", 1),
    ];
    for text in variants {
        fs::write(folder.path().join("file"), &text).unwrap();
        let arguments = ["storeutl", "-certs", "-noout", "file"];
        let output = std::process::Command::new("openssl")
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let found =
            String::from_utf8_lossy(&output.stdout).contains("Total found: 2") && output.status.success();
        let (accepted, printed) = check_at("upstream", text.as_bytes());
        assert!(found || !accepted, "openssl reads less of it: {text}\n{printed}");
        assert!(
            accepted || printed.contains("x, line ") || printed.contains("x is truncated"),
            "{text}\n{printed}"
        );
    }
}

#[test]
fn wrong_file_kinds_are_named_with_a_conversion() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let ca = Ca::new("Client CA");
    fs::write(path.join("ca.pem"), ca.pem()).unwrap();
    fs::write(path.join("ca.crl"), ca.crl(&[])).unwrap();
    self_signed("a").write(path, "a");
    let make = |arguments: &str| openssl(path, &arguments.split(' ').collect::<Vec<_>>());
    make("x509 -in a.pem -trustout -out trusted.pem");
    make("x509 -in a.pem -outform DER -out a.der");
    make("crl -in ca.crl -outform DER -out crl.der");
    make("crl2pkcs7 -nocrl -certfile a.pem -out a.p7b");
    make("crl2pkcs7 -nocrl -certfile a.pem -outform DER -out p7.der");
    make("pkcs12 -export -in a.pem -inkey a.key -passout pass:x -out a.p12");
    make("req -new -key a.key -subj /CN=a -out a.csr");
    make("req -new -key a.key -subj /CN=a -outform DER -out csr.der");
    make("pkey -in a.key -aes256 -passout pass:x -out locked.key");
    make("pkey -in a.key -traditional -out ec.key");
    make("ec -in ec.key -aes128 -passout pass:x -out locked-ec.key");
    make("pkey -in a.key -outform DER -out key.der");
    make("pkey -in a.key -pubout -out public.pem");
    make("ecparam -name prime256v1 -genkey -out params.key");
    make("dhparam -dsaparam -out dh.pem 512");
    let file = |name: &str| fs::read(path.join(name)).unwrap();
    let text: Vec<u16> = String::from_utf8(file("ca.pem")).unwrap().encode_utf16().collect();
    let wide: Vec<u8> = text.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    for (content, found, command) in [
        (file("trusted.pem"), "a TRUSTED CERTIFICATE", "openssl x509 -in x -out x.new"),
        (file("ca.crl"), "a CRL", "openssl crl -in x -out x.new"),
        (file("crl.der"), "a CRL", "openssl crl -in x -out x.new"),
        (file("a.p7b"), "a PKCS#7", "openssl pkcs7 -in x -print_certs -out x.new"),
        (file("p7.der"), "a PKCS#7", "openssl pkcs7 -inform DER -in x -print_certs -out x.new"),
        (file("a.p12"), "a PKCS#12", "openssl pkcs12 -in x -nokeys -out x.pem, and name"),
        (file("a.csr"), "a certificate signing request", "openssl req -in x"),
        (file("csr.der"), "a certificate signing request", "openssl req -in x"),
        (file("a.key"), "a private key", "openssl pkcs7 -print_certs -out x.new"),
        (file("ec.key"), "a private key", "openssl pkcs7 -print_certs -out x.new"),
        (file("locked.key"), "encrypted with a password", ""),
        (file("locked-ec.key"), "encrypted with a password", ""),
        (file("public.pem"), "a public key", ""),
        (file("dh.pem"), "Diffie-Hellman", ""),
        (wide, "UTF-16", "iconv -f UTF-16LE -t UTF-8 x > x.new"),
    ] {
        for place in ["client_ca", "upstream", "credential", "pin", "server"] {
            let (accepted, printed) = check_at(place, &content);
            assert!(!accepted && printed.contains(found) && printed.contains(command), "{place}: {printed}");
            assert_no_library_text(&printed);
        }
    }
    for (content, found, command) in [
        (file("locked.key"), "encrypted with a password", "openssl pkey -in x -out x.new"),
        (file("locked-ec.key"), "encrypted with a password", "openssl pkey -in x -out x.new"),
        (
            file("key.der"),
            "is a private key, expected a private key in PEM",
            "openssl pkey -inform DER -in x -out x.new",
        ),
        (file("a.p12"), "a PKCS#12", "openssl pkcs12 -in x -nocerts -noenc -out x.key, and name"),
        (file("a.pem"), "a certificate", "openssl pkey -in x -out x.new"),
        (file("public.pem"), "a public key", ""),
        (file("dh.pem"), "Diffie-Hellman", ""),
        (b"-----BEGIN PRIVATE KEY-----\nMAUCAQACAQA=\n-----END PRIVATE KEY-----\n".to_vec(), "line 1: ", ""),
    ] {
        let (accepted, printed) = check_at("key", &content);
        assert!(!accepted && printed.contains(found) && printed.contains(command), "{printed}");
        assert_no_library_text(&printed);
    }
    // `openssl ecparam` writes the curve before the key.
    let (_, printed) = check_at("key", &file("params.key"));
    assert!(
        printed.contains("is not the key of the first certificate") && !printed.contains("PARAMETERS"),
        "{printed}"
    );
    for (content, found) in [
        (file("ca.pem"), "found a certificate, expected a CRL"),
        (file("a.der"), "is a certificate, expected a CRL"),
    ] {
        let (accepted, printed) = check_at("crl", &content);
        assert!(!accepted && printed.contains(found), "{printed}");
    }
    let (accepted, printed) = check_at("credential", &file("a.der"));
    assert!(accepted, "DER is read: {printed}");
}

/// Runs `check` with a file `x` in one of the places where a file can be configured.
fn check_at(place: &str, content: &[u8]) -> (bool, String) {
    let ca = Ca::new("Another CA");
    let mut builder =
        EdgeBuilder::new("http://127.0.0.1:3000").trust("another", &ca.pem()).secret_file("x", content);
    builder = match place {
        "client_ca" => builder.usual_domain("auth0").trust_file("x"),
        "crl" => builder.usual_domain("auth0").trust_settings("crls = [\"x\"]"),
        "upstream" => {
            builder.usual_domain("auth0").upstream("ca = \"x\"").also_upstream("https://127.0.0.1:1")
        }
        "credential" => builder.usual_domain("auth0").application(
            "a",
            "self_signed_tls_client_auth",
            &["certificate = \"x\"".to_owned()],
        ),
        "pin" => builder.usual_domain("auth0").ca_application("a", &format!("{SAN}\nca = \"x\"")),
        "server" => with_domain("x", "other.example.test.key", builder),
        _ => with_domain("other.example.test.pem", "x", builder),
    };
    let output = builder.output("check");
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

/// Adds a second domain with this certificate and key.
fn with_domain(certificate: &str, key: &str, builder: EdgeBuilder) -> EdgeBuilder {
    let second = format!(
        "[[domain]]\nname = \"{DOMAIN}\"\ncertificate = \"{certificate}\"\nprivate_key = \"{key}\"\n"
    );
    builder.domain("other.example.test", "").extra(&second)
}

fn assert_no_library_text(printed: &str) {
    for inner in [
        "no items found",
        "InvalidCharacter",
        "Der(",
        "Nom",
        "BadDer",
        "General(",
        "Error",
        "Trailing",
        "os error 0",
    ] {
        assert!(!printed.contains(inner), "{inner}: {printed}");
    }
}

#[test]
fn a_key_and_its_certificates_may_share_a_file() {
    let ca = Ca::new("Server CA");
    let server = ca.server(&[DOMAIN]);
    let both = server.chain_pem() + &server.key_pem();
    let check = |lines: &str| {
        let builder = EdgeBuilder::new("http://127.0.0.1:3000")
            .domain("other.example.test", "")
            .secret_file("both.pem", &both)
            .secret_file("only.key", server.key_pem());
        let output = builder
            .extra(&format!("[[domain]]\nname = \"{DOMAIN}\"\n{lines}\n"))
            .self_signed_application("a", &[server.thumbprint()])
            .output("check");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (accepted, printed) = check("certificate = \"both.pem\"\nprivate_key = \"both.pem\"");
    assert!(accepted, "{printed}");
    let (accepted, printed) = check("certificate = \"both.pem\"\nprivate_key = \"only.key\"");
    assert!(!accepted && printed.contains("found a private key, expected a certificate"), "{printed}");
}

#[test]
fn world_writable_files_are_refused() {
    let ca = Ca::new("Client CA");
    for name in [
        "edge.toml",
        "applications.toml",
        "client-ca.pem",
        "a.crl",
        "secret",
        "a.pem",
        &format!("{DOMAIN}.key"),
        &format!("{DOMAIN}.pem"),
    ] {
        let builder = EdgeBuilder::new("http://127.0.0.1:3000")
            .usual_domain("auth0")
            .trust("client-ca", &ca.pem())
            .file("a.crl", ca.crl(&[]))
            .file("a.pem", self_signed("a").chain_pem())
            .file("secret", "s3cret")
            .trust_settings("crls = [\"a.crl\"]")
            .upstream("headers = { x-key = { file = \"secret\" } }")
            .application("a", "self_signed_tls_client_auth", &["certificate = \"a.pem\"".to_owned()]);
        let path = builder.path().to_owned();
        let checked = |builder: &EdgeBuilder| {
            let output = builder.output("check");
            (output.status.success(), String::from_utf8(output.stderr).unwrap())
        };
        let (accepted, printed) = checked(&builder);
        assert!(accepted, "{printed}");
        for (mode, refused) in [(0o666, true), (0o602, true), (0o664, false)] {
            fs::set_permissions(path.join(name), PermissionsExt::from_mode(mode)).unwrap();
            let (accepted, printed) = checked(&builder);
            assert_eq!(accepted, !refused, "{name}: {printed}");
            assert!(
                !refused || (printed.contains(&format!("(mode {mode:03o})")) && printed.contains("chmod")),
                "{name}: {printed}"
            );
        }
    }
}

#[test]
fn world_writable_folders_get_a_warning() {
    let builder = EdgeBuilder::new("http://127.0.0.1:3000")
        .usual_domain("auth0")
        .file("cas/own/ca.pem", Ca::new("A").pem())
        .trust_file("cas/own/ca.pem")
        .ca_application("a", SAN);
    let folder = builder.path().join("cas");
    let printed = |mode: u32| {
        fs::set_permissions(&folder, PermissionsExt::from_mode(mode)).unwrap();
        let output = builder.output("check");
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let warned = printed(0o777);
    assert!(
        warned.contains("cas can be written by others (mode 777)") && warned.contains("chmod o-w"),
        "{warned}"
    );
    assert_eq!(warned.matches("can be written").count(), 1, "{warned}");
    // In a folder with the sticky bit, such as /tmp, only a file's owner can replace it.
    assert!(!printed(0o1777).contains("can be written"));
    assert!(!printed(0o775).contains("can be written"));
}

#[tokio::test]
async fn a_huge_file_does_not_block_the_edge() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("client-ca", &ca.pem())
        .ca_application("billing", SAN)
        .start();
    let good = client(&ca, 5);
    for (count, name) in ["client-ca.pem", "applications.toml", "edge.toml"].into_iter().enumerate() {
        let path = edge.folder.path().join(name);
        let kept = fs::read(&path).unwrap();
        // A sparse file, larger than any disk, so that reading it would never end.
        fs::File::create(&path).unwrap().set_len(1 << 42).unwrap();
        edge.wait_for_logs("reload rejected", count + 1);
        assert_eq!(Client::with(&edge, &good).token("billing").await.status, 200);
        fs::write(&path, kept).unwrap();
        edge.wait_for_logs("configuration files match the active configuration again", count + 1);
    }
    let log = edge.stop();
    assert_eq!(log.matches("it has more than").count(), 3, "{log}");
}

#[test]
fn the_system_bundle_of_roots_is_read() {
    let bundle = Path::new("/etc/ssl/certs/ca-certificates.crt");
    if let Ok(content) = fs::read(bundle) {
        let (accepted, printed) = check_at("upstream", &content);
        assert!(accepted, "{printed}");
    }
}
