//! `applications` as a folder: each of its files registers applications, and may be added, changed or removed by itself.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use crate::support::{Client, Credentials, Edge, EdgeBuilder, Upstream, command::text, self_signed};

/// A team's file: an application that names its certificate by a path beside the file.
fn registers(client_id: &str) -> String {
    format!(
        "[[application]]\nclient_id = \"{client_id}\"\n[[application.credential]]\nname = \"a\"\ncertificate = \"certs/{client_id}.pem\"\n"
    )
}

fn before(upstream: &Upstream) -> EdgeBuilder {
    EdgeBuilder::new(upstream.url()).usual_domain("auth0").applications_file("applications.d")
}

/// The certificates of some applications, in the folder `certs` of the registry's folder.
fn with_certificates(mut edge: EdgeBuilder, client_ids: &[&str]) -> (EdgeBuilder, Vec<Credentials>) {
    let all: Vec<_> = client_ids.iter().map(|id| self_signed(id)).collect();
    for (id, credentials) in client_ids.iter().zip(&all) {
        edge = edge.file(&format!("applications.d/certs/{id}.pem"), credentials.chain_pem());
    }
    (edge, all)
}

async fn status(edge: &Edge, credentials: &Credentials, client_id: &str) -> u16 {
    Client::with(edge, credentials).token(client_id).await.status.as_u16()
}

fn folder(edge: &Edge) -> PathBuf {
    edge.folder.path().join("applications.d")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_a_folder_are_added_changed_and_removed() {
    let upstream = Upstream::start().await;
    let (edge, all) = with_certificates(before(&upstream), &["one", "two", "three"]);
    let edge = edge
        .file("applications.d/team-a.toml", registers("one"))
        .file("applications.d/team-b.toml", format!("# {}", registers("nobody").replace('\n', "\n# ")))
        .file("applications.d/.hidden.toml", "not TOML")
        .file("applications.d/team-c.toml.bak", registers("three"))
        .start();
    let [one, two, three] = &all[..] else { unreachable!() };
    assert_eq!(status(&edge, one, "one").await, 200);
    assert_eq!(status(&edge, two, "two").await, 401);
    assert_eq!(status(&edge, three, "three").await, 401);

    // One is changed, one is added by a rename, one is written in place.
    edge.reload("applications.d/team-b.toml", &registers("two"));
    assert_eq!(status(&edge, two, "two").await, 200);
    fs::rename(folder(&edge).join("team-c.toml.bak"), folder(&edge).join("team-c.toml")).unwrap();
    let line = edge.wait_for_log("\"changes\":\"added application three\"");
    assert!(line.contains("applications.d, ") && line.contains("team-c.toml"), "{line}");
    assert_eq!(status(&edge, three, "three").await, 200);
    fs::remove_file(folder(&edge).join("team-a.toml")).unwrap();
    edge.wait_for_log("\"changes\":\"removed application one\"");
    assert_eq!(status(&edge, one, "one").await, 401);
    edge.reload("applications.d/TEAM-D.TOML", &registers("one"));
    for (credentials, id) in all.iter().zip(["one", "two", "three"]) {
        assert_eq!(status(&edge, credentials, id).await, 200, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_folder_removes_nobody() {
    let upstream = Upstream::start().await;
    let (edge, all) = with_certificates(before(&upstream), &["one"]);
    let output = edge.output("check");
    assert_eq!(output.status.code(), Some(1));
    let complaint = "applications.d has no file that ends in .toml";
    assert!(text(&output.stderr).contains(complaint), "{}", text(&output.stderr));
    let edge = edge.file("applications.d/team-a.toml", registers("one")).start();
    let (file, elsewhere) = (folder(&edge).join("team-a.toml"), edge.folder.path().join("team-a.toml"));
    fs::rename(&file, &elsewhere).unwrap();
    assert!(edge.wait_for_log("reload rejected").contains(complaint));
    assert_eq!(status(&edge, &all[0], "one").await, 200);
    // The folder is watched all the same.
    fs::rename(&elsewhere, &file).unwrap();
    edge.wait_for_log("configuration files match the active configuration again");
    // A file that registers nobody says so.
    edge.reload("applications.d/team-a.toml", "# nobody left\n");
    edge.wait_for_log("no application is registered");
    assert_eq!(status(&edge, &all[0], "one").await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_conflicts_changes_nothing() {
    let upstream = Upstream::start().await;
    let (edge, all) = with_certificates(before(&upstream), &["one"]);
    let edge = edge.file("applications.d/team-a.toml", registers("one")).start();
    let twice = format!("# Team B\n\n{}", registers("one"));
    fs::write(folder(&edge).join("team-b.toml"), &twice).unwrap();
    let log = edge.wait_for_log("reload rejected");
    let first = folder(&edge).join("team-a.toml");
    let expected = format!("found \\\"one\\\" a second time; the first is on line 2 of {}", first.display());
    assert!(log.contains("team-b.toml:4:13") && log.contains(&expected), "{log}");
    assert_eq!(status(&edge, &all[0], "one").await, 200);
    fs::remove_file(folder(&edge).join("team-b.toml")).unwrap();
    edge.wait_for_log("configuration files match the active configuration again");
}

#[test]
fn a_link_to_nothing_and_an_empty_file_are_errors() {
    let edge =
        EdgeBuilder::new("http://127.0.0.1:1").usual_domain("auth0").applications_file("applications.d");
    let edge = edge.file("applications.d/empty.toml", "");
    symlink("nowhere", edge.path().join("applications.d/gone.toml")).unwrap();
    // Docker makes a folder where a file to be mounted is missing.
    let edge = edge.file("applications.d/team.toml/x", "");
    let output = edge.output("check");
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stderr);
    assert!(printed.contains("applications.d/gone.toml: there is no such file"), "{printed}");
    assert!(
        printed.contains("applications.d/team.toml: found a directory, expected a TOML file"),
        "{printed}"
    );
    assert!(printed.contains("applications.d/empty.toml: the file is empty"), "{printed}");
    assert!(
        printed.contains("help: write an [[application]] for each client, or a comment while there is none"),
        "{printed}"
    );
}

#[test]
fn a_folder_to_which_others_can_add_files_is_refused() {
    let edge =
        EdgeBuilder::new("http://127.0.0.1:1").usual_domain("auth0").applications_file("applications.d");
    let edge = edge.file("applications.d/a.toml", "# nobody\n");
    let folder = edge.path().join("applications.d");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    let output = edge.output("check");
    assert_eq!(output.status.code(), Some(1));
    let complaint =
        "it is world-writable (mode 777): anyone who can add a file decides which clients are accepted";
    assert!(text(&output.stderr).contains(complaint), "{}", text(&output.stderr));
}

/// A volume of a ConfigMap with a key for each team, as Kubernetes mounts it: `file -> ..data/file`, `..data -> ..N`.
fn publish(volume: &Path, version: &str, files: &[(&str, String)]) {
    fs::create_dir_all(volume.join(version)).unwrap();
    for (name, content) in files {
        fs::write(volume.join(version).join(name), content).unwrap();
    }
    symlink(version, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    for (name, _) in files {
        let _ = symlink(Path::new("..data").join(name), volume.join(name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kubernetes_volume_can_gain_a_file() {
    let upstream = Upstream::start().await;
    let all = ["one", "two"].map(self_signed);
    let pinned = |id: &str, credentials: &Credentials| {
        format!(
            "[[application]]\nclient_id = \"{id}\"\n[[application.credential]]\nname = \"a\"\nthumbprint = \"{}\"\n",
            credentials.thumbprint()
        )
    };
    let files = [("a.toml", pinned("one", &all[0])), ("b.toml", pinned("two", &all[1]))];
    let edge = before(&upstream);
    publish(&edge.path().join("applications.d"), "..1", &files[..1]);
    let edge = edge.start();
    assert_eq!(status(&edge, &all[0], "one").await, 200);
    publish(&folder(&edge), "..2", &files);
    edge.wait_for_log("\"changes\":\"added application two\"");
    for (credentials, id) in all.iter().zip(["one", "two"]) {
        assert_eq!(status(&edge, credentials, id).await, 200, "{id}");
    }
}
