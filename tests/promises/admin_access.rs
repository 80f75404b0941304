//! Who may use the admin address, and health checks apart from it.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    Edge, EdgeBuilder, PATIENCE, Upstream,
    admin::{ask, reloaded},
    command::text,
    program, tool,
};

const TOKEN: &str = "0123456789abcdef-first";
const OTHER: &str = "0123456789abcdef-other";

async fn builder() -> EdgeBuilder {
    let upstream = Upstream::start().await;
    EdgeBuilder::new(upstream.url()).usual_domain("auth0")
}

/// An edge whose admin address has a token.
async fn with_token() -> Edge {
    let edge = builder().await.secret_file("admin.token", format!("{TOKEN}\n"));
    edge.extra("[admin]\ntoken = { file = \"admin.token\" }").start()
}

/// Status and whole response of a GET with this `Host` and these further fields.
async fn get_as(address: SocketAddr, path: &str, host: &str, fields: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{fields}\r\n");
    let answer = ask(address, &request).await;
    (answer[9..12].parse().unwrap(), answer)
}

async fn get(edge: &Edge, path: &str, authorization: &str) -> (u16, String) {
    let field = match authorization {
        "" => String::new(),
        value => format!("authorization: {value}\r\n"),
    };
    get_as(edge.admin, path, &edge.admin.to_string(), &field).await
}

/// The configuration with the addresses that the system chose.
fn named(edge: &Edge, health: Option<SocketAddr>) -> String {
    let folder = edge.folder.path();
    let mut text = fs::read_to_string(folder.join("edge.toml")).unwrap();
    text = text.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{}\"", edge.admin));
    if let Some(health) = health {
        text = text.replace("health = \"127.0.0.1:0\"", &format!("health = \"{health}\""));
    }
    let file = folder.join("named.toml");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Exit code, standard output and standard error of `status`.
fn status(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program().arg("status").args(arguments).output().unwrap();
    (output.status.code(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
}

#[tokio::test]
async fn health_checks_have_an_address_of_their_own() {
    let edge = builder().await.listen("health = \"127.0.0.1:0\"").start();
    let health = edge.health();
    assert_ne!(health, edge.admin);
    for host in [health.to_string(), "balancer.example".to_owned()] {
        for path in ["/healthz", "/readyz"] {
            assert_eq!(get_as(health, path, &host, "").await.0, 200, "{path} {host}");
        }
        for path in ["/", "/status", "/metrics", "/status.js", "/healthz/"] {
            let (code, answer) = get_as(health, path, &host, "").await;
            assert!(code == 404 && !answer.contains("mtls_edge"), "{path}: {answer}");
        }
    }
    let post = ask(health, "POST /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
    let config = named(&edge, Some(health));
    assert_eq!(status(&["--ready", "--config", &config]), (Some(0), "ready\n".to_owned(), String::new()));
    edge.stop();
}

#[tokio::test]
async fn the_admin_address_can_be_off() {
    let edge = builder().await.admin("off").listen("health = \"127.0.0.1:0\"").start();
    let health = edge.health();
    assert!(edge.log().contains("admin listener off") && !edge.log().contains("admin listener ready"));
    assert_eq!(get_as(health, "/readyz", "x", "").await.0, 200);
    let config = named(&edge, Some(health));
    assert_eq!(status(&["--ready", "--config", &config]).0, Some(0));
    let (code, _, error) = status(&["--config", &config]);
    assert_eq!(code, Some(1));
    assert!(error.contains("the configuration has admin = \"off\""), "{error}");
    edge.stop();
}

#[tokio::test]
async fn the_admin_address_asks_for_its_token() {
    let edge = with_token().await;
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for path in ["/status", "/metrics", "/", "/status.css", "/status.js", "/nothing"] {
        let (code, answer) = get(&edge, path, "").await;
        assert_eq!(code, 401, "{path}");
        assert!(answer.contains("www-authenticate: Bearer realm=\"mtls-edge\"\r\n"), "{answer}");
        assert!(answer.contains("www-authenticate: Basic realm=\"mtls-edge\", charset="), "{answer}");
        assert!(!answer.contains("mtls_edge") && !answer.contains("generation"), "{answer}");
    }
    for authorization in [format!("Bearer {TOKEN}"), basic(&format!("anyone:{TOKEN}"))] {
        for (path, expected) in [("/status", 200), ("/metrics", 200), ("/", 303), ("/nothing", 404)] {
            assert_eq!(get(&edge, path, &authorization).await.0, expected, "{path}");
        }
    }
    // A guess is slow, and guesses are logged once per second.
    let begin = Instant::now();
    let guesses = [format!("Bearer {OTHER}"), basic(&format!("{TOKEN}:{OTHER}")), "Bearer".to_owned()];
    let guesses = guesses.map(|guess| {
        let (admin, fields) = (edge.admin, format!("authorization: {guess}\r\n"));
        tokio::spawn(async move { get_as(admin, "/status", "localhost", &fields).await.0 })
    });
    for guess in guesses {
        assert_eq!(guess.await.unwrap(), 401);
    }
    assert!(begin.elapsed() >= Duration::from_millis(400), "{:?}", begin.elapsed());
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&edge, path, "Bearer nonsense").await.0, 200, "{path}");
    }
    // A rebound name learns nothing, not even that there is a token.
    let field = format!("authorization: Bearer {TOKEN}\r\n");
    assert_eq!(get_as(edge.admin, "/status", "evil.example", &field).await.0, 421);
    let (_, metrics) = get(&edge, "/metrics", &format!("bearer {TOKEN}")).await;
    for (reason, count) in [("token_missing", 6), ("token_invalid", 3)] {
        let line = format!("mtls_edge_admin_refusals_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line} {metrics}");
    }
    let log = edge.stop();
    assert_eq!(log.matches("the token is not valid").count(), 1, "{log}");
    assert!(!log.contains(TOKEN) && !log.contains(OTHER), "{log}");
}

#[tokio::test]
async fn a_token_is_replaced_without_an_outage() {
    let edge = with_token().await;
    let (old, new) = (format!("Bearer {TOKEN}"), format!("Bearer {OTHER}"));
    let codes = async || [get(&edge, "/metrics", &old).await.0, get(&edge, "/metrics", &new).await.0];
    assert_eq!(codes().await, [200, 401]);
    edge.reload("admin.token", &format!("{TOKEN}\n{OTHER}\n"));
    assert_eq!(codes().await, [200, 200]);
    // An invalid file changes nothing.
    fs::write(edge.folder.path().join("admin.token"), "short\n").unwrap();
    let rejected = edge.wait_for_log("reload rejected");
    assert!(rejected.contains("found a token of 5 characters, expected at least 16"), "{rejected}");
    assert_eq!(codes().await, [200, 200]);
    fs::write(edge.folder.path().join("admin.token"), format!("{OTHER}\n")).unwrap();
    assert!(reloaded(&edge, 3).contains("changed admin token"), "{}", edge.log());
    assert_eq!(codes().await, [401, 200]);
    edge.stop();
}

#[tokio::test]
async fn the_status_command_presents_the_token() {
    let edge = with_token().await;
    let address = edge.admin.to_string();
    let config = named(&edge, None);
    let own = edge.folder.path().join("admin.token").to_str().unwrap().to_owned();
    let other = edge.folder.path().join("other.token").to_str().unwrap().to_owned();
    fs::write(&other, OTHER).unwrap();
    for arguments in [&["--config", &config][..], &["--admin", &address, "--token-file", &own]] {
        let (code, output, error) = status(arguments);
        assert_eq!(code, Some(0), "{error}");
        assert!(output.starts_with("healthy  "), "{output}");
    }
    let (code, _, error) = status(&["--admin", &address]);
    assert_eq!(code, Some(1));
    assert!(error.contains("it asks for its token\nhelp: give the file with --token-file"), "{error}");
    let (code, _, error) = status(&["--config", &config, "--token-file", &other]);
    assert_eq!(code, Some(1));
    assert!(error.contains("it does not accept this token") && !error.contains(OTHER), "{error}");
    assert_eq!(status(&["--ready", "--admin", &address]).0, Some(0));
    // Of a broken file, too.
    let broken = fs::read_to_string(&config).unwrap().replace("[[upstream]]", "[[upstream]]\nurl = 1");
    fs::write(&config, broken).unwrap();
    let (code, output, error) = status(&["--config", &config]);
    assert!(code == Some(0) && output.starts_with("healthy  "), "{error}");
    edge.stop();
}

#[tokio::test]
async fn the_addresses_of_operators_are_handed_over() {
    let edge = builder().await.listen("health = \"127.0.0.1:0\"").installed().start();
    let health = edge.health();
    super::handover::replace(&edge);
    assert_eq!(get_as(health, "/readyz", "x", "").await.0, 200);
    assert_eq!(get(&edge, "/metrics", "").await.0, 200);
    edge.stop();
}

#[tokio::test]
async fn operators_that_cannot_be_accepted_fill_no_log() {
    let edge = builder().await.start();
    let open_files = |number: &str| {
        let script = "import resource, sys\npid = int(sys.argv[1])\nhard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]\nresource.prlimit(pid, resource.RLIMIT_NOFILE, (hard if sys.argv[2] == 'all' else int(sys.argv[2]), hard))";
        tool::run(edge.folder.path(), "python3", &["-c", script, &edge.id().to_string(), number]);
    };
    // So that its thread runs.
    assert_eq!(get(&edge, "/readyz", "").await.0, 200);
    open_files("3");
    let mut waiting = TcpStream::connect(edge.admin).await.unwrap();
    edge.wait_for_log("\"cannot accept a connection of an operator\"");
    // It tries again ten times in this time.
    tokio::time::sleep(Duration::from_secs(1)).await;
    open_files("all");
    // The connection has waited.
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", edge.admin);
    waiting.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, waiting.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let log = edge.stop();
    assert_eq!(log.matches("cannot accept a connection of an operator").count(), 1, "{log}");
}
