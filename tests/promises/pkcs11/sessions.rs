//! How the edge uses a module: one login, sessions that are reused, and PINs that are tried once. `pkcs11-spy` of
//! OpenSC lists the calls.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

use super::{server, started};
use crate::support::{
    Ca, Client, DOMAIN, EdgeBuilder, Upstream,
    admin::{happens, metric},
    command::text,
    soft_hsm::SoftHsm,
    tool::not_tried,
};

const SPIES: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/pkcs11-spy.so", "/usr/lib/aarch64-linux-gnu/pkcs11-spy.so"];

/// A module that lists the calls of another one in a file.
pub(crate) struct Spy(PathBuf);

impl Spy {
    /// Puts it between the edge and the module of a URI. None, with a line that says so, if OpenSC is not installed.
    pub(crate) fn between(
        builder: EdgeBuilder,
        hsm: &SoftHsm,
        uri: &str,
    ) -> Option<(EdgeBuilder, String, Self)> {
        let Some(spy) = SPIES.iter().find(|spy| Path::new(spy).exists()) else {
            not_tried("calls of PKCS#11 modules: opensc-pkcs11 is not installed");
            return None;
        };
        let (module, calls) = (hsm.module.to_str().unwrap(), builder.path().join("calls"));
        let uri = uri.replace(module, spy);
        let builder =
            builder.environment("PKCS11SPY", module).environment("PKCS11SPY_OUTPUT", calls.to_str().unwrap());
        Some((builder, uri, Self(calls)))
    }

    fn calls(&self, function: &str) -> usize {
        let calls = fs::read_to_string(&self.0).unwrap_or_default();
        calls.lines().filter(|line| line.ends_with(&format!(": {function}"))).count()
    }
}

#[tokio::test]
async fn a_reload_does_not_log_in_again() {
    let upstream = Upstream::start().await;
    let builder = EdgeBuilder::new(upstream.url());
    let Some(hsm) = SoftHsm::in_folder(builder.path()) else { return };
    let ca = server(&builder, &hsm, &PKCS_ECDSA_P256_SHA256);
    let Some((builder, uri, spy)) = Spy::between(builder, &hsm, &hsm.uri("token=edge")) else { return };
    let mut edge = hsm.domain(builder, "server.pem", &uri).start();
    edge.server_ca = ca.der();
    let client = Client::new(&edge);
    assert_eq!(client.token("billing").await.status, 200);
    let logins = spy.calls("C_Login");
    edge.reload("edge.toml", &(fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap() + "\n# x"));
    edge.reload("applications.toml", "[[application]]\nclient_id = \"a\"\nauth_method = \"none\"");
    for _ in 0..5 {
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(spy.calls("C_Login"), logins, "{}", edge.log());
    assert_eq!((spy.calls("C_Initialize"), spy.calls("C_Finalize")), (1, 0));

    // Another certificate with another key, under the same label: it is looked for again, beside the key in use.
    let other = ca.server(&[DOMAIN]);
    hsm.import("edge", "next", "b2", &other);
    fs::write(edge.folder.path().join("next.pem"), other.chain_pem()).unwrap();
    let config = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let next = config.replace("server.pem", "next.pem").replace("token=edge", "token=edge;object=next");
    edge.reload("edge.toml", &next);
    let stream = client.tls().await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], other.chain[0]);
    assert_eq!(spy.calls("C_Initialize"), 1);
    edge.stop();
}

#[tokio::test]
async fn a_wrong_pin_is_tried_once() {
    let builder = EdgeBuilder::new("http://127.0.0.1:1");
    let Some(hsm) = SoftHsm::in_folder(builder.path()) else { return };
    server(&builder, &hsm, &PKCS_ECDSA_P256_SHA256);
    fs::write(hsm.pin_file(), "9999").unwrap();
    let Some((builder, uri, spy)) = Spy::between(builder, &hsm, &hsm.uri("token=edge")) else { return };
    // Two certificates with one PIN, and files that are read again since they have just changed.
    let builder = hsm
        .domain(builder, "server.pem", &uri)
        .extra(&format!("[admin]\ncertificate = \"server.pem\"\nprivate_key = \"{uri}\"\n"));
    // The service manager must not start it again: that would try the PIN again, until the token is locked.
    for (command, code) in [("check", 1), ("run", 78)] {
        let _ = fs::remove_file(&spy.0);
        let output = builder.output(command);
        assert_eq!(output.status.code(), Some(code), "{command}");
        let printed = text(&output.stderr);
        assert_eq!(printed.matches("refused the PIN of pin-source").count(), 2, "{printed}");
        assert_eq!(spy.calls("C_Login"), 1, "{command}");
    }
}

#[tokio::test]
async fn a_second_pin_for_a_token_is_an_error() {
    let builder = EdgeBuilder::new("http://127.0.0.1:1");
    let Some(hsm) = SoftHsm::in_folder(builder.path()) else { return };
    server(&builder, &hsm, &PKCS_ECDSA_P256_SHA256);
    let uri = hsm.uri("token=edge");
    let other = uri.replace("file:pin", "file:other-pin");
    // PKCS#11 does not verify a PIN while the process is logged in.
    let output = hsm
        .domain(builder, "server.pem", &other)
        .secret_file("other-pin", "9999")
        .extra(&format!("[admin]\ncertificate = \"server.pem\"\nprivate_key = \"{uri}\"\n"))
        .output("check");
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("the token edge is in use with another PIN than that of pin-source"),
        "{printed}"
    );
    assert!(!printed.contains("9999"), "{printed}");
}

#[tokio::test]
async fn a_successor_signs_with_the_token() {
    let upstream = Upstream::start().await;
    let Some((edge, _hsm)) = started(&upstream, &PKCS_RSA_SHA256) else { return };
    let client = Client::new(&edge);
    assert_eq!(client.token("billing").await.status, 200);
    for _ in 0..2 {
        let (before, lines) = (edge.id(), edge.logged());
        edge.signal("USR2");
        edge.wait_for_log_after(lines, "\"replaced: ");
        edge.wait_for_log_after(lines, "admin listener ready");
        assert_ne!(edge.id(), before);
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(metric(&edge, "mtls_edge_handshakes_failed_total").await, 0, "{}", edge.log());
    edge.stop();
}

#[tokio::test]
async fn the_key_of_the_admin_address_is_in_a_token() {
    let upstream = Upstream::start().await;
    let builder = EdgeBuilder::new(upstream.url());
    let Some(hsm) = SoftHsm::in_folder(builder.path()) else { return };
    let ca = Ca::new("Operators");
    let admin = ca.server(&["localhost"]);
    fs::write(builder.path().join("admin.pem"), admin.chain_pem()).unwrap();
    fs::write(builder.path().join("server-ca.pem"), ca.pem()).unwrap();
    hsm.import("edge", "admin", "a1", &admin);
    let uri = hsm.uri("object=admin");
    let edge = hsm
        .edge(builder.usual_domain("auth0"))
        .extra(&format!("[admin]\ncertificate = \"admin.pem\"\nprivate_key = \"{uri}\"\n"))
        .start();
    let port = edge.admin.port();
    let url = format!("https://localhost:{port}/healthz");
    happens(async || {
        let curl = std::process::Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", "server-ca.pem", &url])
            .current_dir(edge.folder.path())
            .output();
        text(&curl.unwrap().stdout) == "200"
    })
    .await;
    edge.stop();
}
