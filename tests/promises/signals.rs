//! Signals: those that other servers take for something else end nothing, and each that asks for the end drains.

use std::process::Stdio;

use crate::{
    drain::Held,
    support::{Client, EdgeBuilder, Upstream, program},
    upstream_failures::with_client,
};

#[tokio::test]
async fn signals_of_other_servers_end_nothing() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    let mut kept = client.connect().await;
    for name in ["USR1", "USR2"] {
        edge.signal(name);
        let line = edge.wait_for_log(&format!("\"signal\":\"SIG{name}\""));
        assert!(line.contains("\"level\":\"INFO\"") && line.contains("no file to open again"), "{line}");
    }
    for name in ["HUP", "PIPE", "WINCH", "XFSZ", "USR1"] {
        edge.signal(name);
        assert_eq!(kept.token("billing").await.status, 200, "{name}");
    }
    assert_eq!(client.token("billing").await.status, 200);
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
        // Nothing cuts the drain short.
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

/// While an edge waits for a CRL that it needs before it serves.
#[tokio::test]
async fn signals_of_other_servers_do_not_end_a_start() {
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
    let mut edge = program()
        .args(["run", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = edge.id().to_string();
    let fetched = tokio::time::timeout(crate::support::PATIENCE, silent.accept()).await;
    let fetched = fetched.expect("no list is asked for").unwrap();
    let signal = |name: &str| crate::support::certificates::run(folder.path(), "kill", &[name, &id]);
    for name in ["-USR1", "-USR2", "-HUP"] {
        signal(name);
    }
    drop(fetched);
    drop(silent);
    let output = tokio::task::spawn_blocking(move || {
        use std::os::unix::process::ExitStatusExt;
        let status = edge.wait().unwrap();
        (status.code(), status.signal())
    });
    // The list can't be had, so it says why it does not start.
    assert_eq!(output.await.unwrap(), (Some(1), None));
}
