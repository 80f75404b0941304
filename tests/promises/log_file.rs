//! The log in a file: reopened on SIGUSR1, and what happens if it cannot be opened. Sampling. Ids of trusted proxies.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use http::Request;
use http_body_util::Full;

use crate::support::{Client, Credentials, Edge, EdgeBuilder, Upstream, admin, program, with_client};

fn edge(log: &str, upstream: &Upstream) -> (Edge, Credentials) {
    // Not in the folder of the configuration, where each line would be an event for the reloader.
    with_client(EdgeBuilder::new(upstream.url()).log(log).file("logs/README", ""))
}

/// The lines of a file that end.
fn lines(path: &PathBuf) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Waits until a file has a line with this message.
async fn wait_for(path: &PathBuf, message: &str) -> Vec<serde_json::Value> {
    let found = async {
        loop {
            if path.exists() && lines(path).iter().any(|line| line["message"] == message) {
                return lines(path);
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, found)
        .await
        .unwrap_or_else(|_| panic!("no line {message} in {}", path.display()))
}

#[tokio::test]
async fn sigusr1_reopens_the_log_file() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge("file = \"logs/edge.log\"\nto = \"both\"", &upstream);
    let file = edge.folder.path().join("logs/edge.log");
    let client = Client::with(&edge, &client);
    assert_eq!(client.token("billing").await.status, 200);
    wait_for(&file, "request").await;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    // As logrotate does.
    let rotated = edge.folder.path().join("logs/edge.log.1");
    fs::rename(&file, &rotated).unwrap();
    edge.signal("USR1");
    wait_for(&file, "log file reopened").await;
    let before = lines(&rotated).len();
    assert_eq!(client.token("billing").await.status, 200);
    wait_for(&file, "request").await;
    assert_eq!(lines(&rotated).len(), before);
    // Both outputs have the same lines.
    edge.wait_for_logs("mtls_edge::access", 2);
    let all = [lines(&rotated), lines(&file)].concat();
    let written: Vec<String> = edge.stop().lines().map(str::to_owned).collect();
    for line in &all {
        let found =
            written.iter().any(|other| serde_json::from_str::<serde_json::Value>(other).unwrap() == *line);
        assert!(found, "{line} is not on standard error");
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_reopened_stays_open() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge("file = \"logs/edge.log\"\nto = \"both\"", &upstream);
    let [folder, moved] = ["logs", "moved"].map(|name| edge.folder.path().join(name));
    fs::rename(&folder, &moved).unwrap();
    edge.signal("USR1");
    let line = edge.wait_for_log("cannot reopen the log file");
    assert!(line.contains("\"level\":\"ERROR\"") && line.contains("logs/edge.log"), "{line}");
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    wait_for(&moved.join("edge.log"), "request").await;
    assert_eq!(admin::metric(&edge, "mtls_edge_log_lines_dropped_total").await, 0);
}

#[test]
fn an_unusable_log_file_is_an_error_with_its_place() {
    let folder = tempfile::TempDir::new().unwrap();
    let made = program().arg("init").arg(folder.path().join("edge")).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let config = folder.path().join("edge/edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    let without = text.lines().filter(|line| !line.starts_with("[log]")).collect::<Vec<_>>().join("\n");
    fs::write(&config, format!("[log]\nfile = \"missing/edge.log\"\n{without}")).unwrap();
    let output = program().args(["run", "--config"]).arg(&config).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    for part in ["edge.toml:2:", "log.file", "missing/edge.log: No such file", "LogsDirectory=mtls-edge"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn a_log_in_a_file_alone_is_nowhere_else() {
    let folder = tempfile::TempDir::new().unwrap();
    let (config, file) = (folder.path().join("edge/edge.toml"), folder.path().join("edge.log"));
    assert!(program().arg("init").arg(folder.path().join("edge")).output().unwrap().status.success());
    let text = fs::read_to_string(&config).unwrap();
    let lines = text.lines().map(|line| match line.split(" =").next().unwrap() {
        "https" => "https = [\"127.0.0.1:0\"]".to_owned(),
        "admin" => "admin = \"127.0.0.1:0\"".to_owned(),
        "[log]" => "[log]\nformat = \"json\"\nfile = \"../edge.log\"\nto = \"file\"".to_owned(),
        _ => line.to_owned(),
    });
    fs::write(&config, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let mut running = program();
    running.args(["run", "--config"]).arg(&config).stdin(Stdio::null());
    let running = running.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let unless_it_ends = Ended(running.id().to_string());
    wait_for(&file, "HTTPS listener ready").await;
    assert!(Command::new("kill").arg(&unless_it_ends.0).status().unwrap().success());
    let output = running.wait_with_output().unwrap();
    std::mem::forget(unless_it_ends);
    assert!(output.status.success(), "{output:?}");
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b""[..], &b""[..]));
    assert!(self::lines(&file).iter().any(|line| line["message"] == "drained"));
}

#[tokio::test]
async fn only_a_share_of_successes_is_logged() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge("successes = 0.5", &upstream);
    let client = Client::with(&edge, &client);
    let mut kept = client.connect().await;
    for _ in 0..40 {
        assert_eq!(kept.token("billing").await.status, 200);
    }
    let refused = kept.send(Request::get("/nowhere").body(Full::default()).unwrap()).await;
    let refused = edge.log_of(&refused);
    assert!(refused.get("sampled").is_none(), "{refused}");
    let log = edge.stop();
    let successes: Vec<&str> = log.lines().filter(|line| line.contains("\"status\":200")).collect();
    // The chance of fewer or more is one in a million.
    assert!((5..=35).contains(&successes.len()), "{}", successes.len());
    assert!(successes.iter().all(|line| line.contains("\"sampled\":0.5")), "{successes:?}");
}

#[tokio::test]
async fn edges_agree_on_which_successes_they_log() {
    let upstream = Upstream::start().await;
    let mut logged = Vec::new();
    for _ in 0..2 {
        let builder = EdgeBuilder::new(upstream.url())
            .listen("trusted_proxies = [\"127.0.0.1\"]")
            .log("successes = 0.5");
        let (edge, client) = with_client(builder);
        let mut kept = Client::with(&edge, &client).connect().await;
        for number in 0..30 {
            let request = Request::get("/any/x").header("x-request-id", format!("balancer-{number}"));
            assert_eq!(kept.send(request.body(Full::default()).unwrap()).await.status, 200);
        }
        let log = edge.stop();
        let id = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["request_id"].as_str().map(str::to_owned)
        };
        logged.push(log.lines().filter_map(id).collect::<Vec<_>>());
    }
    assert_eq!(logged[0], logged[1]);
    assert!(!logged[0].is_empty() && logged[0].len() < 30, "{logged:?}");
}

#[tokio::test]
async fn a_request_id_is_kept_from_trusted_proxies_only() {
    let upstream = Upstream::start().await;
    let longest = "a".repeat(64);
    let beyond = "a".repeat(65);
    let kept = ["balancer-7", "1-67891233-abcdef012345678912345678", longest.as_str()];
    let replaced = ["", "a b", "a\"b", "a\\b", "a\tb", "\u{e9}", beyond.as_str()];
    for (proxies, is_trusted) in [("[\"127.0.0.1\"]", true), ("[\"192.0.2.1\"]", false)] {
        let builder = EdgeBuilder::new(upstream.url()).listen(&format!("trusted_proxies = {proxies}"));
        let (edge, client) = with_client(builder);
        let mut connection = Client::with(&edge, &client).connect().await;
        for (id, is_well_formed) in
            kept.map(|id| (id, true)).into_iter().chain(replaced.map(|id| (id, false)))
        {
            let request = Request::get("/any/x").header("x-request-id", id.as_bytes());
            let answer = connection.send(request.body(Full::default()).unwrap()).await;
            let given = answer.headers["x-request-id"].to_str().unwrap().to_owned();
            assert_eq!(given == id, is_trusted && is_well_formed, "{id:?} became {given:?}");
            assert_eq!(upstream.last().headers.get_all("x-request-id").iter().count(), 1);
            assert_eq!(upstream.last().headers["x-request-id"], given.as_str());
            assert_eq!(edge.log_of(&answer)["request_id"], given.as_str());
        }
        // Two ids are none.
        let request = Request::get("/any/x").header("x-request-id", "one").header("x-request-id", "two");
        let answer = connection.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.headers["x-request-id"].len(), 32);
    }
}

#[tokio::test]
async fn a_request_is_one_short_row_on_a_terminal() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge("", &upstream);
    let folder = edge.folder.path();
    let text = fs::read_to_string(folder.join("edge.toml"))
        .unwrap()
        .replace("format = \"json\"", "format = \"text\"");
    let text = text.replace("level = \"debug\"", "level = \"info\"");
    fs::write(folder.join("terminal.toml"), text).unwrap();
    let program = program();
    let command =
        [program.get_program().to_str().unwrap(), "run", "--config", "terminal.toml", "--workers", "1"];
    let script = "import os, pty, sys\npid, terminal = pty.fork()\nif pid == 0:\n    os.execv(sys.argv[1], sys.argv[1:])\n\
                  print(pid, flush=True)\ntry:\n    while data := os.read(terminal, 4096):\n        \
                  sys.stdout.buffer.write(data)\n        sys.stdout.flush()\nexcept OSError:\n    os.waitpid(pid, 0)";
    let mut child = std::process::Command::new("python3")
        .args(["-c", script])
        .args(command)
        .current_dir(folder)
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut output, &mut first).unwrap();
    let ended = Ended(first.trim_end().to_owned());
    let mut next = |part: &str| loop {
        let mut line = String::new();
        assert_ne!(std::io::BufRead::read_line(&mut output, &mut line).unwrap(), 0, "no line has {part}");
        if line.contains(part) {
            return line;
        }
    };
    let ready = next("HTTPS listener ready");
    let port = ready.trim_end().trim_end_matches("\u{1b}[0m").rsplit(':').next().unwrap().parse().unwrap();
    let server = Other { address: ([127, 0, 0, 1], port).into(), ca: edge.server_ca.clone() };
    let answer = Client::with(&server, &client).token("billing").await;
    assert_eq!(answer.status, 200);
    let line = next("POST");
    let id = &answer.headers["x-request-id"].to_str().unwrap()[..8];
    assert!(
        line.contains("\u{1b}[32m200\u{1b}[0m POST /oauth/token billing ") && line.contains(id),
        "{line:?}"
    );
    // At 120 columns it is one row, with the escape sequences of three colours.
    assert!(line.trim_end().len() <= 120, "{line:?}");
    // A refusal's reason continues in a row of its own.
    assert_eq!(
        Client::with(&server, &client).token("a-client-id-that-nobody-has-registered").await.status,
        401
    );
    let (first, second) = (next("401"), next("no application is registered as"));
    assert!(
        first.contains("POST /oauth/token a-client-id-that-nobody-") && second.starts_with("         "),
        "{first:?} {second:?}"
    );
    assert!([&first, &second].iter().all(|row| row.trim_end().len() <= 150), "{first:?} {second:?}");
    drop(ended);
    child.wait().unwrap();
}

/// Ends the process with this id when it goes out of scope.
struct Ended(String);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = std::process::Command::new("kill").args(["-KILL", &self.0]).status();
    }
}

/// An edge that a test has started by itself.
struct Other {
    address: std::net::SocketAddr,
    ca: rustls::pki_types::CertificateDer<'static>,
}

impl testkit::client::Server for Other {
    fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    fn ca(&self) -> rustls::pki_types::CertificateDer<'static> {
        self.ca.clone()
    }
}
