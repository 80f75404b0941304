//! What makes an edge check its files, and that nothing else does.

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::support::{Client, Credentials, Edge, EdgeBuilder, PATIENCE, Upstream, admin, self_signed};

fn registry(credentials: &Credentials) -> String {
    format!(
        "[[application]]\nclient_id = \"billing\"\n[[application.credential]]\nname = \"c\"\nthumbprint = \"{}\"\n",
        credentials.thumbprint()
    )
}

/// An edge with its registry at this path, a registered credential, and one to register later.
struct Parts {
    _upstream: Upstream,
    edge: Edge,
    first: Credentials,
    second: Credentials,
}

impl Parts {
    async fn new(registry_at: &str, lay_out: impl FnOnce(&Path, &str)) -> Self {
        let upstream = Upstream::start().await;
        let (first, second) = (self_signed("billing"), self_signed("billing"));
        let builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0").applications_file(registry_at);
        lay_out(builder.path(), &registry(&first));
        Self { _upstream: upstream, edge: builder.start(), first, second }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.edge.folder.path().join(name)
    }

    async fn has_rotated(&self) {
        self.edge.wait_for_log("\"reloaded\",\"generation\":2,");
        assert_eq!(Client::with(&self.edge, &self.second).token("billing").await.status, 200);
        assert_eq!(Client::with(&self.edge, &self.first).token("billing").await.status, 401);
    }
}

#[tokio::test]
async fn a_change_without_an_event_is_noticed() {
    // Written through another name of the file, in a folder that is not watched: as on a mount without events.
    let parts = Parts::new("registry.toml", |folder, text| {
        fs::create_dir(folder.join("elsewhere")).unwrap();
        fs::write(folder.join("registry.toml"), text).unwrap();
        fs::hard_link(folder.join("registry.toml"), folder.join("elsewhere/other-name")).unwrap();
    })
    .await;
    fs::write(parts.file("elsewhere/other-name"), registry(&parts.second)).unwrap();
    parts.has_rotated().await;
    // A change is not lost while another one is applied.
    for generation in 3..6 {
        let credentials = if generation % 2 == 0 { &parts.second } else { &parts.first };
        fs::write(parts.file("elsewhere/other-name"), registry(credentials)).unwrap();
        parts.edge.wait_for_log(&format!("\"reloaded\",\"generation\":{generation},"));
    }
    parts.edge.stop();
}

#[tokio::test]
async fn links_anywhere_in_a_path_are_followed() {
    for path in ["current/trust/registry.toml", "link.toml"] {
        let parts = Parts::new(path, |folder, text| {
            fs::create_dir_all(folder.join("releases/1/trust")).unwrap();
            fs::write(folder.join("releases/1/trust/registry.toml"), text).unwrap();
            symlink("releases/1", folder.join("current")).unwrap();
            symlink("current/trust/registry.toml", folder.join("link.toml")).unwrap();
        })
        .await;
        fs::create_dir_all(parts.file("releases/2/trust")).unwrap();
        fs::write(parts.file("releases/2/trust/registry.toml"), registry(&parts.second)).unwrap();
        symlink("releases/2", parts.file("next")).unwrap();
        fs::rename(parts.file("next"), parts.file("current")).unwrap();
        parts.has_rotated().await;
        // The folder that the link now refers to is watched, too.
        fs::write(parts.file("releases/2/trust/registry.toml"), registry(&parts.first)).unwrap();
        parts.edge.wait_for_log("\"reloaded\",\"generation\":3,");
        parts.edge.stop();
    }
}

#[tokio::test]
async fn a_recreated_folder_is_watched_again() {
    let parts = Parts::new("trust/registry.toml", |folder, text| {
        fs::create_dir(folder.join("trust")).unwrap();
        fs::write(folder.join("trust/registry.toml"), text).unwrap();
    })
    .await;
    fs::remove_dir_all(parts.file("trust")).unwrap();
    parts.edge.wait_for_log("reload rejected");
    assert_eq!(Client::with(&parts.edge, &parts.first).token("billing").await.status, 200);
    fs::create_dir(parts.file("trust")).unwrap();
    fs::write(parts.file("trust/registry.toml"), registry(&parts.second)).unwrap();
    parts.has_rotated().await;
    parts.edge.stop();
}

#[tokio::test]
async fn a_busy_neighbour_file_does_not_delay_a_reload() {
    let parts = Parts::new("trust/registry.toml", |folder, text| {
        fs::create_dir(folder.join("trust")).unwrap();
        fs::write(folder.join("trust/registry.toml"), text).unwrap();
    })
    .await;
    // A file with the same name, in a folder that is watched for other files.
    let mut neighbour = fs::File::create(parts.file("registry.toml")).unwrap();
    let log = async {
        loop {
            neighbour.write_all(b"a line\n").unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let rotation = async {
        for generation in 2..12 {
            let credentials = if generation % 2 == 0 { &parts.second } else { &parts.first };
            fs::write(parts.file("trust/registry.toml"), registry(credentials)).unwrap();
            loop {
                if admin::metric(&parts.edge, "mtls_edge_trust_generation").await == generation {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    // Ten reloads that wait for six seconds each would exceed the time limits of the test.
    tokio::select! {
        () = log => unreachable!(),
        done = tokio::time::timeout(crate::support::PATIENCE, rotation) => done.expect("reloads are delayed"),
    }
    parts.edge.stop();
}

/// Writes a file.
type Change = fn(&Path, &str);

#[tokio::test]
async fn every_way_of_writing_is_noticed_by_an_event() {
    let in_place: Change = |file, text| fs::write(file, text).unwrap();
    let in_pieces: Change = |file, text| {
        let mut file = fs::File::create(file).unwrap();
        for piece in text.as_bytes().chunks(50) {
            file.write_all(piece).unwrap();
            file.sync_all().unwrap();
        }
    };
    let renamed_over: Change = |file, text| {
        fs::write(file.with_extension("new"), text).unwrap();
        fs::rename(file.with_extension("new"), file).unwrap();
    };
    let deleted_and_made_again: Change = |file, text| {
        fs::remove_file(file).unwrap();
        fs::write(file, text).unwrap();
    };
    let swapped: Change = |file, text| {
        let folder = file.parent().unwrap();
        let number = folder.read_dir().unwrap().count();
        let version = folder.join(format!("..{number}"));
        fs::create_dir(&version).unwrap();
        fs::write(version.join("registry.toml"), text).unwrap();
        symlink(&version, folder.join("..tmp")).unwrap();
        fs::rename(folder.join("..tmp"), folder.join("..data")).unwrap();
    };
    let lay_out = |folder: &Path, text: &str| {
        fs::create_dir_all(folder.join("volume/..0")).unwrap();
        fs::write(folder.join("volume/..0/registry.toml"), text).unwrap();
        symlink("..0", folder.join("volume/..data")).unwrap();
        symlink("..data/registry.toml", folder.join("volume/registry.toml")).unwrap();
        fs::write(folder.join("registry.toml"), text).unwrap();
    };
    for (way, file, change) in [
        ("in place", "registry.toml", in_place),
        ("in pieces", "registry.toml", in_pieces),
        ("renamed over", "registry.toml", renamed_over),
        ("deleted and made again", "registry.toml", deleted_and_made_again),
        ("swapped", "volume/registry.toml", swapped),
    ] {
        let parts = Parts::new(file, lay_out).await;
        // More than the poll of every two seconds would find within the time limits of the test.
        let start = std::time::Instant::now();
        for generation in 2..14 {
            let credentials = if generation % 2 == 0 { &parts.second } else { &parts.first };
            change(&parts.file(file), &registry(credentials));
            parts.edge.wait_for_log(&format!("\"reloaded\",\"generation\":{generation},"));
            assert!(start.elapsed() < PATIENCE, "{way}: {generation} took {:?}", start.elapsed());
        }
        let log = parts.edge.stop();
        assert!(!log.contains("reload rejected"), "{way}: {log}");
    }
}

#[tokio::test]
async fn an_invalid_change_gets_time_to_complete() {
    let parts = Parts::new("registry.toml", |folder, text| {
        fs::write(folder.join("registry.toml"), text).unwrap();
    })
    .await;
    fs::write(parts.file("registry.toml"), "nonsense").unwrap();
    let written = fs::metadata(parts.file("registry.toml")).unwrap().modified().unwrap();
    // Events of other files do not shorten it.
    while !parts.edge.log().contains("reload rejected") {
        fs::write(parts.file("neighbour"), "").unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let line: serde_json::Value = serde_json::from_str(&parts.edge.wait_for_log("reload rejected")).unwrap();
    let refused = humantime::parse_rfc3339(line["timestamp"].as_str().unwrap()).unwrap();
    let waited = refused.duration_since(written).unwrap();
    assert!(waited >= Duration::from_millis(240), "counted as broken after {waited:?}");
    parts.edge.stop();
}

#[tokio::test]
async fn sighup_checks_unchanged_and_invalid_files() {
    let parts = Parts::new("registry.toml", |folder, text| {
        fs::write(folder.join("registry.toml"), text).unwrap();
    })
    .await;
    parts.edge.signal("HUP");
    parts.edge.wait_for_log("\"reloaded\",\"generation\":2,\"why\":\"requested\"");
    fs::write(parts.file("registry.toml"), "nonsense").unwrap();
    parts.edge.wait_for_logs("reload rejected", 1);
    parts.edge.signal("HUP");
    parts.edge.wait_for_logs("reload rejected", 2);
    parts.edge.stop();
}

/// The number of context switches of the threads that watch files and drop former sites.
fn waits(edge: &Edge) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", edge.id())).unwrap().map(|task| task.unwrap().path());
    let names = ["source files\n", "retired sites\n"];
    let own: Vec<_> = tasks
        .filter(|task| names.contains(&fs::read_to_string(task.join("comm")).unwrap().as_str()))
        .collect();
    assert_eq!(own.len(), names.len());
    let waits = |task: &std::path::PathBuf| -> u64 {
        let status = fs::read_to_string(task.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        line.trim().parse().unwrap()
    };
    own.iter().map(waits).sum()
}

#[tokio::test]
async fn an_unchanged_edge_does_not_poll_constantly() {
    let parts = Parts::new("registry.toml", |folder, text| {
        fs::write(folder.join("registry.toml"), text).unwrap();
    })
    .await;
    // Also after a reload, while a connection may still use the former site.
    fs::write(parts.file("registry.toml"), registry(&parts.second)).unwrap();
    parts.has_rotated().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = waits(&parts.edge);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waited = waits(&parts.edge) - before;
    assert!(waited < 20, "{waited} waits in two seconds in which nothing happened");
    parts.edge.stop();
}
