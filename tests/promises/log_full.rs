//! No request waits for the log, whether standard error is not read or closed, or its disk or that of the log file is full.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader},
    process::Stdio,
};

use http::Request;
use http_body_util::Full;

use crate::support::{
    Client, Connection, Edge, EdgeBuilder, Upstream, admin, program, self_signed, with_client,
};

const DROPPED: &str = "mtls_edge_log_lines_dropped_total";

/// Sends requests with long log lines until the log drops some.
async fn until_dropped(edge: &Edge, connection: &mut Connection) -> usize {
    let path = format!("/any/{}", "\"".repeat(250));
    for number in 1..=100 {
        for _ in 0..100 {
            let request = Request::get(&path).body(Full::default()).unwrap();
            assert!(connection.send(request).await.status.as_u16() < 500);
        }
        if admin::metric(edge, DROPPED).await > 0 {
            return number * 100;
        }
    }
    panic!("no line was dropped in 10,000 requests");
}

#[tokio::test]
async fn requests_are_served_while_the_log_is_not_read() {
    let upstream = Upstream::start().await;
    let (mut edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    assert_eq!(admin::metric(&edge, DROPPED).await, 0);
    edge.stop_reading();
    let mut kept = client.connect().await;
    for _ in 0..200 {
        assert_eq!(kept.token("billing").await.status, 200);
    }
    until_dropped(&edge, &mut kept).await;
    // New connections, HTTP/2, a reload, the admin address and signals work as well.
    for client in [client.clone(), client.clone().http2()] {
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(admin::get(&edge, "/readyz").await.0, 200);
    let status = admin::status(&edge, "").await;
    assert!(status["log"]["lines_dropped"].as_i64().unwrap() > 0);
    let problem = &status["health"]["problems"][0];
    assert_eq!((&problem["code"], &problem["level"]), (&"log_failing".into(), &"warning".into()), "{status}");
    let what = problem["what"].as_str().unwrap();
    assert!(what.contains(" log lines of the last minute are lost") && problem["at"].is_string(), "{what}");
    let (_, page) = admin::exchange(&edge, "/status", "text/html").await;
    assert!(page.contains("log lines lost"), "{page}");
    let output = program().args(["status", "--admin", &edge.admin.to_string()]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.lines().any(|line| line.ends_with(" log lines lost since the start")), "{text}");
    let path = edge.folder.path().join("applications.toml");
    std::fs::write(path, "# nobody any more\n").unwrap();
    kept.token("billing").await;
    tokio::time::timeout(crate::support::PATIENCE, async {
        while admin::metric(&edge, "mtls_edge_trust_generation").await < 2 {}
    })
    .await
    .expect("the reload waits for the log");
    edge.signal("TERM");
    let status = tokio::task::spawn_blocking(move || edge.wait_unread()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn each_line_is_written_or_counted() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    let mut kept = client.connect().await;
    edge.stop_reading();
    let sent = until_dropped(&edge, &mut kept).await;
    let dropped = usize::try_from(admin::metric(&edge, DROPPED).await).unwrap();
    edge.resume_reading();
    edge.wait_for_logs("mtls_edge::access", sent - dropped);
    // Lines are whole and in order, and none is lost once the log is read again.
    let answer = kept.token("billing").await;
    edge.log_of(&answer);
    assert_eq!(usize::try_from(admin::metric(&edge, DROPPED).await).unwrap(), dropped);
    for line in edge.stop().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

#[tokio::test]
async fn a_closed_log_pipe_does_not_stop_the_edge() {
    let upstream = Upstream::start().await;
    let (mut edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    edge.close_log();
    let mut kept = client.connect().await;
    for _ in 0..50 {
        assert_eq!(kept.token("billing").await.status, 200);
    }
    assert!(admin::metric(&edge, DROPPED).await > 0);
    let problem = admin::status(&edge, "").await["health"]["problems"][0].clone();
    assert_eq!(problem["code"], "log_failing", "{problem}");
    assert!(problem["what"].as_str().unwrap().starts_with("standard error cannot be written"), "{problem}");
    edge.signal("HUP");
    edge.signal("TERM");
    let status = tokio::task::spawn_blocking(move || edge.wait_unread()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_full_disk_does_not_stop_the_edge() {
    let upstream = Upstream::start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let builder = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()]);
    // `check` writes the files.
    assert!(builder.output("check").status.success());
    let config = builder.path().join("edge.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{free}\""))).unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut edge = program()
        .args(["run", "--workers", "1", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stderr(full)
        .spawn()
        .unwrap();
    let address = free.to_string();
    let status = || program().args(["status", "--admin", &address]).output().unwrap();
    let start = std::time::Instant::now();
    let text = loop {
        let output = status();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && !text.contains("log lines lost  0") {
            break text;
        }
        assert!(edge.try_wait().unwrap().is_none(), "it ended: {text}");
        assert!(start.elapsed() < crate::support::PATIENCE, "{text}");
    };
    assert!(text.contains("log lines lost"), "{text}");
    crate::support::tool::run(builder.path(), "kill", &["-TERM", &edge.id().to_string()]);
    assert_eq!(edge.wait().unwrap().code(), Some(0));
}

/// What the edge logs about a log file that cannot be written, and once it can.
const UNWRITABLE: &str = "cannot write the log file";
const WRITABLE: &str = "the log file is written again";

/// Starts an edge with a small file system of its own for its log, which is full.
fn with_full_log(upstream: &Upstream) -> (Edge, crate::support::Credentials) {
    const SCRIPT: &str = "mount -t tmpfs -o size=64k none \"$0\" && { cat /dev/zero > \"$0/filler\" 2> /dev/null; exec \"$@\"; }";
    let builder = EdgeBuilder::new(upstream.url()).log("file = \"logs/edge.log\"\nto = \"both\"");
    let logs = builder.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    // In a mount namespace, which ends with the edge.
    let launcher = ["unshare", "--mount", "sh", "-c", SCRIPT, logs.to_str().unwrap()];
    with_client(builder.launcher(&launcher))
}

#[tokio::test]
async fn a_log_file_goes_on_when_its_disk_has_space_again() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_full_log(&upstream);
    let client = Client::with(&edge, &client);
    let warning = edge.wait_for_log(UNWRITABLE);
    assert!(warning.contains("\"level\":\"WARN\"") && warning.contains("No space left"), "{warning}");
    let mut kept = client.connect().await;
    for _ in 0..20 {
        let answer = kept.token("billing").await;
        assert_eq!(answer.status, 200);
        edge.log_of(&answer);
    }
    assert!(admin::metric(&edge, DROPPED).await >= 20);
    let shown = admin::status(&edge, "").await;
    let problem = &shown["health"]["problems"][0];
    assert_eq!((&problem["code"], &problem["level"]), (&"log_failing".into(), &"warning".into()), "{shown}");
    assert!(
        problem["what"].as_str().unwrap().contains("No space left") && problem["at"].is_string(),
        "{problem}"
    );
    let logs = format!("/proc/{}/root{}/logs", edge.id(), edge.folder.path().display());
    std::fs::remove_file(format!("{logs}/filler")).unwrap();
    let answer = kept.token("billing").await;
    edge.log_of(&answer);
    edge.wait_for_log(WRITABLE);
    assert_eq!(admin::status(&edge, "").await["health"]["state"], "healthy");
    let dropped = admin::metric(&edge, DROPPED).await;
    let written = std::fs::read_to_string(format!("{logs}/edge.log")).unwrap();
    assert!(written.contains(answer.headers["x-request-id"].to_str().unwrap()), "{written}");
    for line in written.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["message"] == WRITABLE {
            assert_eq!(line["lost"].as_i64(), Some(dropped));
        }
    }
    let log = edge.stop();
    assert_eq!((log.matches(UNWRITABLE).count(), log.matches(WRITABLE).count()), (1, 1), "{log}");
}

#[tokio::test]
async fn a_full_log_file_is_one_warning_on_standard_error() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let folder = edge.folder.path();
    let [https, admin] = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [https, admin] = [https, admin].map(|listener| listener.local_addr().unwrap());
    let mut text = std::fs::read_to_string(folder.join("edge.toml")).unwrap();
    for (from, to) in [
        ("https = [\"127.0.0.1:0\"]", format!("https = [\"{https}\"]")),
        ("admin = \"127.0.0.1:0\"", format!("admin = \"{admin}\"")),
        ("format = \"json\"", "format = \"json\"\nfile = \"/dev/full\"".to_owned()),
    ] {
        assert!(text.contains(from), "{text}");
        text = text.replace(from, &to);
    }
    std::fs::write(folder.join("full.toml"), text).unwrap();
    let mut other = program();
    other.args(["run", "--workers", "1", "--config"]).arg(folder.join("full.toml"));
    let mut other = other.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Its only line.
    let mut lines = BufReader::new(other.stderr.take().unwrap()).lines();
    let warning = lines.next().unwrap().unwrap();
    assert!(warning.contains(UNWRITABLE) && warning.contains("No space left"), "{warning}");
    let client = Client::with(&(https, edge.server_ca.clone()), &client);
    admin::happens(async || client.tcp().await.is_ok()).await;
    for _ in 0..5 {
        assert_eq!(client.token("billing").await.status, 200);
    }
    crate::support::tool::run(folder, "kill", &["-TERM", &other.id().to_string()]);
    assert_eq!(other.wait().unwrap().code(), Some(0));
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn the_log_is_flushed_at_exit() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut demo = program()
        .args(["demo"])
        .env("TMPDIR", folder.path())
        .env("RUST_LOG", "info")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("it serves until Ctrl-C")));
    crate::support::tool::run(folder.path(), "kill", &["-QUIT", &demo.id().to_string()]);
    let output = demo.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(text.matches("mtls_edge::access: request").count(), 5, "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the demo's folder is left over");
}

#[test]
fn startup_errors_do_not_block_on_a_full_pipe() {
    use std::io::Write;
    let folder = tempfile::TempDir::new().unwrap();
    let (_reader, mut writer) = std::io::pipe().unwrap();
    // The capacity of the pipe (pipe(7)).
    writer.write_all(&vec![b'x'; 65_536]).unwrap();
    let broken = folder.path().join("edge.toml");
    std::fs::write(&broken, "[listen]\nnonsense = 1\n").unwrap();
    let mut edge =
        program().args(["run", "--config"]).arg(&broken).stdin(Stdio::null()).stderr(writer).spawn().unwrap();
    let start = std::time::Instant::now();
    let status = loop {
        if let Some(status) = edge.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > crate::support::PATIENCE {
            edge.kill().unwrap();
        }
        std::thread::yield_now();
    };
    assert_eq!(status.code(), Some(1));
}

#[test]
fn problems_beyond_the_buffer_are_all_printed() {
    use std::fmt::Write;
    let folder = tempfile::TempDir::new().unwrap();
    assert!(program().arg("init").arg(folder.path().join("edge")).output().unwrap().status.success());
    let config = folder.path().join("edge/edge.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    for number in 0..2_000 {
        let _ = writeln!(text, "[[header_profile]]\nnonsense{number} = 1");
    }
    std::fs::write(&config, text).unwrap();
    let [checked, ran] = ["check", "run"].map(|command| {
        let output = program().args([command, "--config"]).arg(&config).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    });
    assert!(checked.len() > 1_200_000, "{}", checked.len());
    assert!(checked == ran, "{} {}", checked.len(), ran.len());
}
