//! A token that fails: handshakes fail with the reason, the edge serves what it can, and signs again when the token
//! is back.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustix::fs::{FlockOperation, fcntl_lock};

use super::{server, started};
use crate::support::{
    Ca, Client, DOMAIN, EdgeBuilder, Upstream,
    admin::{get, happens, metric},
    soft_hsm::{SoftHsm, domain},
};

const FAILURES: &str = "mtls_edge_handshake_failures_total{reason=\"private_key\"}";

#[tokio::test]
async fn a_token_that_vanishes_fails_handshakes_until_it_is_back() {
    let upstream = Upstream::start().await;
    let builder = EdgeBuilder::new(upstream.url());
    let Some(hsm) = SoftHsm::in_folder(builder.path()) else { return };
    // The sessions of the other key are in nobody's use: they must not keep the module from being initialized again.
    let (ca, other) = (Ca::new("Server CA"), Ca::with_keys("Other CA", &PKCS_RSA_SHA256));
    for (name, id, server) in [("ecdsa", "a1", ca.server(&[DOMAIN])), ("rsa", "b2", other.server(&[DOMAIN]))]
    {
        fs::write(builder.path().join(format!("{name}.pem")), server.chain_pem()).unwrap();
        hsm.import("edge", name, id, &server);
    }
    let uris = ["ecdsa", "rsa"].map(|name| hsm.uri(&format!("token=edge;object={name}")));
    let both = format!("certificate = [\"ecdsa.pem\", \"rsa.pem\"]\nprivate_key = {uris:?}");
    let mut edge = hsm
        .edge(builder)
        .extra(&format!(
            "[[domain]]\nname = \"{DOMAIN}\"\n{both}\nclient_auth = \"off\"\n[[domain.route]]\npath = \"/oauth/token\"\nauthenticate = \"none\""
        ))
        .start();
    edge.server_ca = ca.der();
    let client = Client::new(&edge);
    let resuming = client.clone().resuming();
    let mut open = client.connect().await;
    assert_eq!(open.token("billing").await.status, 200);
    assert_eq!(resuming.token("billing").await.status, 200);

    let away = edge.folder.path().join("away");
    fs::rename(hsm.tokens(), &away).unwrap();
    for count in 1..=3 {
        client.tls().await.unwrap_err();
        happens(async || metric(&edge, FAILURES).await == count).await;
    }
    let line = edge.wait_for_log("handshake failed");
    assert!(line.contains("\"WARN\"") && line.contains("the private key's token did not sign: "), "{line}");
    // What needs no signature is served.
    assert_eq!(open.token("billing").await.status, 200);
    assert_eq!(resuming.token("billing").await.status, 200);
    assert_eq!(get(&edge, "/readyz").await.0, 200);

    fs::rename(&away, hsm.tokens()).unwrap();
    happens(async || client.tls().await.is_ok()).await;
    assert_eq!(client.token("billing").await.status, 200);
    edge.stop();
}

/// Locks all files in a folder, as another program does that uses the token: the module waits until they are closed.
pub(crate) fn lock(folder: &Path, locked: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lock(&path, locked);
        } else {
            let file = File::options().read(true).write(true).open(path).unwrap();
            fcntl_lock(&file, FlockOperation::LockExclusive).unwrap();
            locked.push(file);
        }
    }
}

#[tokio::test]
async fn a_token_that_hangs_holds_a_worker_for_seconds_only() {
    let upstream = Upstream::start().await;
    let Some((edge, hsm)) = started(&upstream, &PKCS_ECDSA_P256_SHA256) else { return };
    let client = Client::new(&edge);
    assert_eq!(client.token("billing").await.status, 200);
    let mut locked = Vec::new();
    lock(&hsm.tokens(), &mut locked);
    // Each worker waits for the first ones. After that nobody waits.
    let (late, at_once) = ("did not sign within 2s", "did not sign: it is too slow for so many handshakes");
    for _ in 0..10 {
        client.tls().await.unwrap_err();
    }
    let log = edge.wait_for_log(at_once) + &edge.log();
    assert!((1..=4).contains(&log.matches(late).count()), "{log}");
    drop(locked);
    happens(async || client.tls().await.is_ok()).await;
    edge.stop();
}

#[tokio::test]
async fn a_token_that_hangs_at_a_reload_stops_no_signatures() {
    let upstream = Upstream::start().await;
    let builder = EdgeBuilder::new(upstream.url());
    let Some(hsm) = SoftHsm::in_folder(builder.path()) else { return };
    let ca = server(&builder, &hsm, &PKCS_ECDSA_P256_SHA256);
    let of_edge = only_entry(&hsm.tokens());
    hsm.token("other");
    let mut domains = String::new();
    for (name, id) in [("one", "a1"), ("two", "b2")] {
        let (host, file) = (format!("{name}.example.test"), format!("{name}.pem"));
        let key = ca.server(&[&host]);
        hsm.import("other", name, id, &key);
        fs::write(builder.path().join(&file), key.chain_pem()).unwrap();
        domains += &domain(&host, &file, &hsm.uri(&format!("token=other;object={name}")));
    }
    let mut edge = hsm.domain(builder, "server.pem", &hsm.uri("token=edge;object=server")).start();
    edge.server_ca = ca.der();
    let client = Client::new(&edge);
    assert_eq!(client.token("billing").await.status, 200);

    let mut locked = Vec::new();
    for entry in fs::read_dir(hsm.tokens()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry != of_edge {
            lock(&entry, &mut locked);
        }
    }
    let config = edge.folder.path().join("edge.toml");
    fs::write(&config, fs::read_to_string(&config).unwrap() + "\n" + &domains).unwrap();
    let mut signed = 0;
    while !edge.log().contains("reload rejected") {
        assert!(client.tls().await.is_ok(), "{}", edge.log());
        signed += 1;
    }
    assert!(signed > 10, "{signed}");
    // It was tried twice, since files may be incomplete, and names the key that was not answered, for both.
    let rejected = edge.wait_for_log("reload rejected");
    let hangs = "the PKCS#11 module does not answer since it was asked for pkcs11:token=other;object=one;";
    assert_eq!(rejected.matches(hangs).count(), 2, "{rejected}");
    drop(locked);
    let client = client.server_name("two.example.test");
    happens(async || {
        edge.signal("HUP");
        client.tls().await.is_ok()
    })
    .await;
    edge.stop();
}

/// The one entry of a folder.
fn only_entry(folder: &Path) -> PathBuf {
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let only = entries.next().unwrap();
    assert_eq!(entries.next(), None);
    only
}

#[tokio::test]
async fn another_key_of_the_same_name_does_not_sign() {
    let upstream = Upstream::start().await;
    let Some((edge, hsm)) = started(&upstream, &PKCS_ECDSA_P256_SHA256) else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let other = SoftHsm::in_folder(elsewhere.path()).unwrap();
    other.import("edge", "server", "a1", &Ca::new("Another CA").server(&[DOMAIN]));
    let client = Client::new(&edge);
    let away = edge.folder.path().join("away");
    fs::rename(hsm.tokens(), &away).unwrap();
    client.tls().await.unwrap_err();
    copy(&other.tokens(), &hsm.tokens());
    happens(async || {
        client.tls().await.unwrap_err();
        edge.log()
            .contains("did not sign: pkcs11:token=edge;object=server is not the certificate's key any longer")
    })
    .await;
    fs::remove_dir_all(hsm.tokens()).unwrap();
    fs::rename(&away, hsm.tokens()).unwrap();
    happens(async || client.tls().await.is_ok()).await;
    edge.stop();
}

/// Copies a folder, maybe to another file system.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}
