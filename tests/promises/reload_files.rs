//! A change of a file is applied, however the file is written; an invalid one is not.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::support::{Answer, Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream, admin, self_signed};

/// An edge with one application with one credential, and another credential to register.
struct Rotating {
    upstream: Upstream,
    first: Credentials,
    second: Credentials,
    edge: Edge,
}

fn registry(credentials: &[&Credentials]) -> String {
    let list = credentials.iter().enumerate().fold(String::new(), |list, (number, one)| {
        let print = one.thumbprint();
        format!(
            "{list}[[application.credential]]
name = \"c{number}\"
thumbprint = \"{print}\"
"
        )
    });
    format!("[[application]]\nclient_id = \"billing\"\nauth_method = \"self_signed_tls_client_auth\"\n{list}")
}

impl Rotating {
    async fn start() -> Self {
        Self::start_with(|edge, _| edge).await
    }

    async fn start_with(change: impl FnOnce(EdgeBuilder, &Credentials) -> EdgeBuilder) -> Self {
        let upstream = Upstream::start().await;
        let (first, second) = (self_signed("billing"), self_signed("billing"));
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .self_signed_application("billing", &[first.thumbprint()]);
        let edge = change(edge, &first).start();
        Self { upstream, first, second, edge }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.edge.folder.path().join(name)
    }

    async fn asks(&self, credentials: &Credentials) -> Answer {
        Client::with(&self.edge, credentials).token("billing").await
    }

    /// Waits for the reload with this generation, and asserts that only the second credential is accepted.
    async fn has_rotated(&self, generation: u64) {
        self.edge.wait_for_log(&format!("\"reloaded\",\"generation\":{generation},"));
        assert_eq!(self.asks(&self.second).await.status, 200);
        self.asks(&self.first).await.oauth_error(401, "invalid_client");
    }

    /// Asserts that the first credential is still accepted, and that the failure is reported in log, status and metrics.
    async fn assert_unchanged(&self, file: &str, because: &str) {
        let line = self.edge.wait_for_log("reload rejected");
        assert!(line.contains(because) && line.contains(file), "{file}: {because}: {line}");
        assert_eq!(self.asks(&self.first).await.status, 200);
        assert_eq!(admin::get(&self.edge, "/readyz").await.0, 200);
        assert_eq!(admin::metric(&self.edge, "mtls_edge_reload_failing").await, 1);
        assert_eq!(admin::metric(&self.edge, "mtls_edge_reloads_failed_total").await, 1);
        let status = admin::status(&self.edge, "").await.to_string();
        assert!(status.contains(because), "{status}");
        let log = self.edge.log();
        assert_eq!(log.matches("reload rejected").count(), 1, "{log}");
    }
}

#[tokio::test]
async fn files_written_in_place_or_in_parts_reload() {
    use std::io::Write;
    let rotating = Rotating::start().await;
    let text = registry(&[&rotating.second]);
    let mut file = fs::File::create(rotating.file("applications.toml")).unwrap();
    for piece in text.as_bytes().chunks(40) {
        file.write_all(piece).unwrap();
        file.sync_all().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(15)).await;
    }
    drop(file);
    rotating.edge.wait_for_log("\"reloaded\"");
    assert_eq!(rotating.asks(&rotating.second).await.status, 200);
    assert_eq!(rotating.edge.log().matches("reload rejected").count(), 0, "{}", rotating.edge.log());
    rotating.edge.stop();
}

#[tokio::test]
async fn half_of_a_file_never_applies_even_if_valid() {
    let rotating = Rotating::start().await;
    assert_applied_whole(&rotating, "applications.toml").await;
    rotating.edge.stop();
}

#[tokio::test]
async fn half_of_a_new_file_never_applies() {
    let rotating = Rotating::start().await;
    fs::remove_file(rotating.file("applications.toml")).unwrap();
    rotating.edge.wait_for_log("reload rejected");
    assert_applied_whole(&rotating, "applications.toml").await;
    rotating.edge.stop();

    let rotating = Rotating::start_with(|edge, first| {
        fs::create_dir_all(edge.path().join("elsewhere")).unwrap();
        fs::write(edge.path().join("elsewhere/registry.toml"), registry(&[first])).unwrap();
        symlink("elsewhere/registry.toml", edge.path().join("link.toml")).unwrap();
        edge.applications_file("link.toml")
    })
    .await;
    fs::remove_file(rotating.file("elsewhere/registry.toml")).unwrap();
    rotating.edge.wait_for_log("reload rejected");
    assert_applied_whole(&rotating, "elsewhere/registry.toml").await;
    rotating.edge.stop();
}

/// Writes the registry in two halves, each of which is valid.
async fn assert_applied_whole(rotating: &Rotating, file: &str) {
    use std::io::Write;
    let (one, two) =
        (registry(&[&rotating.first]), registry(&[&rotating.second]).replace("\"billing\"", "\"two\""));
    let mut file = fs::File::create(rotating.file(file)).unwrap();
    file.write_all(two.as_bytes()).unwrap();
    file.sync_all().unwrap();
    // The file now contains a valid registry without \"billing\", but is still open for writing.
    for _ in 0..10 {
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        assert_eq!(rotating.asks(&rotating.first).await.status, 200);
    }
    file.write_all(one.as_bytes()).unwrap();
    drop(file);
    let line = rotating.edge.wait_for_log("\"reloaded\"");
    assert!(line.contains("added application two\""), "{line}");
    assert_eq!(rotating.asks(&rotating.first).await.status, 200);
}

#[tokio::test]
async fn replaced_and_recreated_files_reload() {
    let rotating = Rotating::start().await;
    let path = rotating.file("applications.toml");
    fs::write(rotating.file("new"), registry(&[&rotating.second])).unwrap();
    fs::rename(rotating.file("new"), &path).unwrap();
    rotating.has_rotated(2).await;

    fs::remove_file(&path).unwrap();
    rotating.edge.wait_for_log("reload rejected");
    assert_eq!(rotating.asks(&rotating.second).await.status, 200);
    fs::write(&path, registry(&[&rotating.first])).unwrap();
    rotating.edge.wait_for_log("\"reloaded\",\"generation\":3,");
    assert_eq!(rotating.asks(&rotating.first).await.status, 200);
    rotating.edge.stop();
}

/// A volume as Kubernetes mounts it: `file -> ..data/file`, `..data -> ..N`.
fn mount(folder: &Path, number: u32, text: &str) {
    let version = format!("..{number}");
    fs::create_dir_all(folder.join(&version)).unwrap();
    fs::write(folder.join(&version).join("applications.toml"), text).unwrap();
    symlink(&version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[tokio::test]
async fn a_swapped_kubernetes_volume_reloads() {
    let rotating = Rotating::start_with(|edge, first| {
        let volume = edge.path().join("volume");
        fs::create_dir(&volume).unwrap();
        mount(&volume, 1, &registry(&[first]));
        symlink("..data/applications.toml", volume.join("applications.toml")).unwrap();
        edge.applications_file("volume/applications.toml")
    })
    .await;
    assert_eq!(rotating.asks(&rotating.first).await.status, 200);
    let volume = rotating.file("volume");
    mount(&volume, 2, &registry(&[&rotating.second]));
    fs::remove_dir_all(volume.join("..1")).unwrap();
    rotating.has_rotated(2).await;
    rotating.edge.stop();
}

#[tokio::test]
async fn a_hangup_asks_for_a_reload() {
    let rotating = Rotating::start().await;
    rotating.edge.signal("HUP");
    let line = rotating.edge.wait_for_log("\"reloaded\"");
    assert!(line.contains("\"why\":\"requested\""), "{line}");
    assert_eq!(rotating.asks(&rotating.first).await.status, 200);
    rotating.edge.stop();
}

#[tokio::test]
async fn a_renewed_server_certificate_serves_new_connections() {
    let rotating = Rotating::start().await;
    let mut open = Client::with(&rotating.edge, &rotating.first).connect().await;
    let before = open.server_chain.clone();
    let ca = crate::support::Ca::new("Other server CA");
    let renewed = ca.server(&[DOMAIN]);
    renewed.write(rotating.edge.folder.path(), DOMAIN);
    let line = rotating.edge.wait_for_log("\"reloaded\"");
    assert!(line.contains("changed TLS of domain mtls.example.test"), "{line}");
    assert_eq!(open.token("billing").await.status, 200);
    let mut edge = rotating.edge;
    edge.server_ca = ca.der();
    let mut fresh = Client::with(&edge, &rotating.first).connect().await;
    assert_eq!(fresh.token("billing").await.status, 200);
    assert_eq!(fresh.server_chain, renewed.chain);
    assert_ne!(fresh.server_chain, before);
    edge.stop();
}

#[tokio::test]
async fn a_reload_keeps_connections_and_sessions() {
    let rotating = Rotating::start().await;
    let client = Client::with(&rotating.edge, &rotating.first).resuming();
    let mut first = client.connect().await;
    let mut second = client.clone().http2().connect().await;
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.token("billing").await.status, 200);
    }
    fs::write(rotating.file("applications.toml"), registry(&[&rotating.first, &rotating.second])).unwrap();
    rotating.edge.wait_for_log("\"reloaded\"");
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.token("billing").await.status, 200);
    }
    let mut resumed = client.connect().await;
    assert!(resumed.resumed);
    assert_eq!(resumed.token("billing").await.status, 200);
    assert_eq!(rotating.upstream.seen().len(), 5);
    rotating.edge.stop();
}

#[tokio::test]
async fn an_invalid_file_is_rejected_and_its_fix_applies() {
    let other = self_signed("other");
    let key = other.key_pem();
    let three = {
        let three = [self_signed("a"), self_signed("b"), self_signed("c")];
        registry(&three.iter().collect::<Vec<_>>())
    };
    let ca = crate::support::Ca::new("Client CA");
    let forged = crate::support::Ca::new("Client CA").crl(&[]);
    let twice = registry(&[&other]) + &registry(&[&other]).replace("\"billing\"", "\"another\"");
    let cases = [
        ("applications.toml", three, "found 3 credentials"),
        ("applications.toml", twice, "is registered for \\\"billing\\\" already"),
        ("applications.toml", "[[application]]\nclient_idd = \"a\"\n".to_owned(), "client_idd"),
        ("applications.toml", String::new(), "the file is empty"),
        ("applications.toml", "[[application".to_owned(), "applications.toml:1:"),
        (&format!("{DOMAIN}.pem"), "-----BEGIN CERTIFICATE-----\nMIIB".to_owned(), "is truncated"),
        (&format!("{DOMAIN}.key"), key, "is not the key of the first certificate"),
        ("list.crl", forged, "but not signed by it"),
    ];
    for (file, text, because) in cases {
        let rotating = Rotating::start_with(|edge, _| {
            let edge = edge.trust("client-ca", &ca.pem()).file("list.crl", ca.crl(&[]));
            edge.trust_settings("crls = [\"list.crl\"]")
        })
        .await;
        let before = fs::read(rotating.file(file)).unwrap();
        fs::write(rotating.file(file), text).unwrap();
        rotating.assert_unchanged(file, because).await;
        fs::write(rotating.file(file), before).unwrap();
        rotating.edge.wait_for_log("configuration files match the active configuration again");
        fs::write(rotating.file("applications.toml"), registry(&[&rotating.second])).unwrap();
        rotating.has_rotated(2).await;
        assert_eq!(admin::metric(&rotating.edge, "mtls_edge_reload_failing").await, 0);
        rotating.edge.stop();
    }
}

/// Replaces a file by something that is not a regular file.
type Replace = fn(&Path);

#[tokio::test]
async fn a_special_file_is_rejected_without_delay() {
    let ca = crate::support::Ca::new("Client CA");
    let rotating = Rotating::start_with(|edge, _| {
        edge.trust("client-ca", &ca.pem())
            .file("list.crl", ca.crl(&[]))
            .secret_file("secrets/key", "s3cret")
            .trust_settings("crls = [\"list.crl\"]")
            .upstream("headers = { x-key = { file = \"secrets/key\" } }")
    })
    .await;
    let fifo: Replace =
        |path| drop(crate::support::tool::run(Path::new("/"), "mkfifo", &[path.to_str().unwrap()]));
    let folder: Replace = |path| fs::create_dir(path).unwrap();
    let dangling: Replace = |path| symlink("nowhere", path).unwrap();
    let circle: Replace = |path| symlink(path.file_name().unwrap(), path).unwrap();
    let zeros: Replace = |path| symlink("/dev/zero", path).unwrap();
    let empty: Replace = |path| fs::write(path, "").unwrap();
    let cut: Replace = |path| fs::write(path, "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    let key = format!("{DOMAIN}.key");
    let special = "it is a FIFO, a socket or a device, expected a regular file";
    let mut recovered = 0;
    for (file, replace, because) in [
        ("applications.toml", fifo, special),
        ("applications.toml", folder, "found a directory, expected a TOML file"),
        ("applications.toml", dangling, "there is no such file"),
        ("applications.toml", circle, "Too many levels of symbolic links"),
        ("edge.toml", fifo, special),
        ("edge.toml", zeros, special),
        ("edge.toml", empty, "the file is empty"),
        (&key, fifo, special),
        (&key, empty, "contains no private key in PEM"),
        ("client-ca.pem", zeros, special),
        ("client-ca.pem", empty, "is empty"),
        ("client-ca.pem", cut, "is truncated"),
        ("list.crl", folder, "is a folder, expected a file"),
        ("list.crl", cut, "is truncated"),
        ("secrets/key", fifo, special),
        ("secrets/key", empty, "is empty"),
    ] {
        let (path, kept) = (rotating.file(file), rotating.file("kept"));
        fs::rename(&path, &kept).unwrap();
        replace(&path);
        recovered += 1;
        rotating.edge.wait_for_logs("reload rejected", recovered);
        let line = rotating.edge.log();
        let line = line.lines().rfind(|line| line.contains("reload rejected")).unwrap();
        assert!(line.contains(because) && line.contains(file), "{file}: {because}: {line}");
        assert_eq!(rotating.asks(&rotating.first).await.status, 200);
        assert_ne!(admin::status(&rotating.edge, "").await["trust"]["failure"], serde_json::Value::Null);
        if path.is_dir() {
            fs::remove_dir(&path).unwrap();
        }
        fs::rename(&kept, &path).unwrap();
        rotating.edge.wait_for_logs("configuration files match the active configuration again", recovered);
        assert_eq!(admin::status(&rotating.edge, "").await["trust"]["failure"], serde_json::Value::Null);
        assert_eq!(admin::metric(&rotating.edge, "mtls_edge_reload_failing").await, 0);
    }
    assert!(!rotating.edge.stop().contains("s3cret"));
}
