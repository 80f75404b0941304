//! Signals: those with another meaning in other servers stop nothing, and each terminating one drains.

use std::process::Stdio;

use crate::support::{Client, EdgeBuilder, Held, Upstream, program, with_client};

#[tokio::test]
async fn signals_of_other_servers_do_not_stop_the_edge() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    let mut kept = client.connect().await;
    edge.signal("USR1");
    let line = edge.wait_for_log("\"signal\":\"SIGUSR1\"");
    assert!(line.contains("\"level\":\"INFO\"") && line.contains("no file to reopen"), "{line}");
    for name in ["HUP", "PIPE", "WINCH", "XFSZ", "USR1"] {
        edge.signal(name);
        assert_eq!(kept.token("billing").await.status, 200, "{name}");
    }
    assert_eq!(client.token("billing").await.status, 200);
    edge.stop();
}

#[tokio::test]
async fn the_first_line_says_which_program_started() {
    let (edge, _) = with_client(EdgeBuilder::new(Upstream::start().await.url()));
    let output = program().args(["version", "--json"]).output().unwrap();
    let facts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let line: serde_json::Value = serde_json::from_str(&edge.wait_for_log("\"started\"")).unwrap();
    for fact in ["version", "commit"] {
        assert!(facts[fact].is_string());
        assert_eq!(line[fact], facts[fact]);
    }
    edge.stop();
}

#[tokio::test]
async fn each_signal_that_asks_for_the_end_drains() {
    for name in ["QUIT", "TERM", "INT"] {
        let mut held = Held::start().await;
        let (mut edge, client) = with_client(EdgeBuilder::new(held.url()));
        let client = Client::with(&edge, &client);
        let mut connection = client.connect().await;
        let in_flight = tokio::spawn(async move { connection.token("billing").await });
        held.arrived().await;
        edge.signal(name);
        edge.wait_for_log("draining");
        // No signal shortens the drain.
        for other in ["USR1", "USR2", "HUP", "QUIT", "TERM", "INT"] {
            edge.signal(other);
        }
        held.release(1);
        assert_eq!(in_flight.await.unwrap().status, 200, "{name}");
        let (code, log) =
            tokio::task::spawn_blocking(move || (edge.wait().code(), edge.log())).await.unwrap();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("\"drained\""), "{log}");
    }
}

/// An edge that waits at the start for a CRL, and the server that delays it.
struct Starting {
    edge: std::process::Child,
    silent: Option<(tokio::net::TcpListener, tokio::net::TcpStream)>,
    folder: tempfile::TempDir,
}

impl Starting {
    async fn new() -> Self {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let output = program().arg("init").arg(folder.path().join("edge")).output().unwrap();
        assert!(output.status.success());
        let config = folder.path().join("edge/edge.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let source = format!(
            "[trust]\ncrls = [{{ url = \"http://{}/ca.crl\", file = \"ca.crl\", timeout = \"600s\" }}]",
            silent.local_addr().unwrap()
        );
        assert!(text.contains("[trust]"), "{text}");
        let without = text.lines().filter(|line| !line.starts_with("crls")).collect::<Vec<_>>().join("\n");
        std::fs::write(&config, without.replacen("[trust]", &source, 1)).unwrap();
        let edge = program()
            .args(["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let fetched = tokio::time::timeout(crate::support::PATIENCE, silent.accept()).await;
        let (fetched, _) = fetched.expect("no CRL is requested").unwrap();
        Self { edge, silent: Some((silent, fetched)), folder }
    }

    fn signal(&self, name: &str) {
        let id = self.edge.id().to_string();
        crate::support::tool::run(self.folder.path(), "kill", &[&format!("-{name}"), &id]);
    }

    /// Its exit code, unless a signal ended it, and its output.
    async fn end(self) -> (Option<i32>, String) {
        let output = tokio::task::spawn_blocking(move || self.edge.wait_with_output().unwrap());
        let output = output.await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test]
async fn signals_of_other_servers_do_not_end_a_start() {
    let mut starting = Starting::new().await;
    for name in ["USR1", "USR2", "HUP"] {
        starting.signal(name);
    }
    drop(starting.silent.take());
    // The CRL is not available, so the edge reports why it does not start.
    let (code, text) = starting.end().await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("no CRL from"), "{text}");
}

#[tokio::test]
async fn interrupting_the_start_dumps_no_core() {
    for name in ["TERM", "INT", "QUIT"] {
        let starting = Starting::new().await;
        starting.signal(name);
        let (code, text) = starting.end().await;
        assert_eq!(code, Some(0), "{name}: {text}");
        assert_eq!(text, "ended by a signal before anything was served\n");
    }
}

#[test]
fn an_interrupted_demo_leaves_no_files() {
    for name in ["-TERM", "-INT", "-QUIT", "-HUP"] {
        let folder = tempfile::TempDir::new().unwrap();
        let mut demo = program()
            .arg("demo")
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It makes its folder first.
        while std::fs::read_dir(folder.path()).unwrap().count() == 0 {
            assert!(demo.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        crate::support::tool::run(folder.path(), "kill", &["-USR1", &demo.id().to_string()]);
        crate::support::tool::run(folder.path(), "kill", &[name, &demo.id().to_string()]);
        let output = demo.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{name}");
    }
}
