//! A takeover that cannot be: the running process continues, and says why.

use std::{fs, net::TcpStream, os::unix::fs::PermissionsExt, path::Path};

use super::{installed, replace};
use crate::support::{
    Client, EdgeBuilder, Upstream, admin,
    edge::INSTALLED,
    tool::{not_tried, run},
    with_client,
};

#[tokio::test]
async fn a_failed_upgrade_changes_nothing() {
    let upstream = Upstream::start().await;
    let (edge, client) = installed(&upstream, 2);
    let client = Client::with(&edge, &client);
    let mut kept = client.connect().await;
    let (config, program) = (edge.folder.path().join("edge.toml"), edge.folder.path().join(INSTALLED));
    let (text, id) = (fs::read_to_string(&config).unwrap(), edge.id());
    let script = |text: &str| {
        fs::remove_file(&program).unwrap();
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let fails = |reason: &str| {
        let lines = edge.logged();
        edge.signal("USR2");
        let line = edge.wait_for_log_after(lines, "upgrade failed; this process continues to serve");
        assert!(line.contains(reason) && line.contains("ERROR"), "{line}");
        assert_eq!(edge.id(), id);
    };
    let reported = async |reason: &str| {
        let problem = admin::status(&edge, "").await["health"]["problems"][0].clone();
        assert_eq!((&problem["code"], &problem["level"]), (&"upgrade_failed".into(), &"warning".into()));
        assert!(problem["what"].as_str().unwrap().contains(reason) && problem["at"].is_string(), "{problem}");
    };
    fs::write(&config, text.replace("[limits]", "[limit]")).unwrap();
    fails("the new process ended (exit status: 1)");
    let log = edge.log();
    let line = log.lines().find(|line| line.contains("mtls_edge::start")).unwrap_or_else(|| panic!("{log}"));
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["level"], &line["found"]), (&"ERROR".into(), &"limit".into()));
    fs::write(&config, &text).unwrap();
    script("#!/bin/sh\nexit 3\n");
    fails("the new process ended (exit status: 3)");
    reported("exit status: 3").await;
    // Another program, which says something else.
    script("#!/bin/sh\nprintf 'hello, world' >&0\nexec sleep 30\n");
    fails("the new process did not take over");
    fs::remove_file(&program).unwrap();
    fails("cannot start");
    reported("cannot start").await;
    assert_eq!(kept.token("billing").await.status, 200);
    assert_eq!(client.token("billing").await.status, 200);
    assert_eq!(admin::get(&edge, "/readyz").await.0, 200);
    edge.stop();
}

#[tokio::test]
async fn a_stop_ends_a_process_that_does_not_take_over() {
    let upstream = Upstream::start().await;
    let (edge, _client) = installed(&upstream, 1);
    let program = edge.folder.path().join(INSTALLED);
    fs::remove_file(&program).unwrap();
    fs::write(&program, "#!/bin/sh\nexec sleep 100\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    edge.signal("USR2");
    let line = edge.wait_for_log("a new process has the sockets");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["within_seconds"], 120);
    let process = format!("/proc/{}", line["id"]);
    assert!(Path::new(&process).exists());
    edge.stop();
    assert!(!Path::new(&process).exists(), "it has the sockets");
}

#[tokio::test]
async fn a_stop_right_after_the_signal_ends_the_attempt() {
    let upstream = Upstream::start().await;
    // Either signal may be handled first.
    for _ in 0..8 {
        let (mut edge, _client) = installed(&upstream, 1);
        let program = edge.folder.path().join(INSTALLED);
        fs::remove_file(&program).unwrap();
        fs::write(&program, "#!/bin/sh\necho $$ > \"$0.id\"\nexec sleep 30\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        for signal in ["STOP", "USR2", "TERM", "CONT"] {
            edge.signal(signal);
        }
        assert_eq!(edge.wait().code(), Some(0));
        let is_running = |id: String| Path::new("/proc").join(id.trim()).exists();
        let id = fs::read_to_string(program.with_extension("id"));
        assert!(!id.is_ok_and(is_running), "it may have the sockets");
        assert!(TcpStream::connect(edge.https).is_err(), "the sockets are open");
    }
}

#[tokio::test]
async fn a_second_signal_during_an_upgrade_is_ignored() {
    let upstream = Upstream::start().await;
    let (edge, client) = installed(&upstream, 1);
    let program = edge.folder.path().join(INSTALLED);
    fs::rename(&program, program.with_extension("real")).unwrap();
    let pipe = edge.folder.path().join("pipe");
    run(edge.folder.path(), "mkfifo", &["pipe"]);
    // It starts once the test has written to the pipe.
    let script = format!("#!/bin/sh\nread line <\"{}\"\nexec \"$0.real\" \"$@\"\n", pipe.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let lines = edge.logged();
    edge.signal("USR2");
    edge.wait_for_log_after(lines, "a new process has the sockets");
    edge.signal("USR2");
    let line = edge.wait_for_log_after(lines, "upgrade ignored");
    assert!(line.contains("another one is in progress"), "{line}");
    let id = edge.id();
    fs::write(&pipe, "\n").unwrap();
    edge.wait_for_log_after(lines, "\"replaced: ");
    assert_ne!(edge.id(), id);
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    edge.stop();
}

#[tokio::test]
async fn a_variable_alone_starts_no_takeover() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).environment("MTLS_EDGE_PREDECESSOR", "1");
    let (edge, client) = with_client(edge);
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    edge.stop();
}

/// Tries to serve at the edge's address: by a socket there, by a signal that starts a takeover, and by the edge's own sockets.
const USURPER: &str = r#"
import ctypes, os, signal, socket, sys
process, port, user = map(int, sys.argv[1:])
if user:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
def listen():
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    opened.bind(("127.0.0.1", port))
def copy():
    # pidfd_getfd, of each descriptor.
    call = ctypes.CDLL(None, use_errno=True).syscall
    opened = os.pidfd_open(process)
    if all(call(438, opened, descriptor, 0) < 0 for descriptor in range(100)):
        raise OSError(ctypes.get_errno(), "")
def take_over():
    os.kill(process, signal.SIGUSR2)
for attempt in (listen, copy, take_over) if user else (listen,):
    try:
        attempt()
        print(attempt.__name__, "succeeds")
    except OSError as error:
        print(attempt.__name__, error.errno)
"#;

#[tokio::test]
async fn another_user_cannot_take_over_the_sockets() {
    let upstream = Upstream::start().await;
    let (edge, client) = installed(&upstream, 2);
    let (process, port) = (edge.id().to_string(), edge.https.port().to_string());
    let tries = |user: &str| run(Path::new("/"), "python3", &["-c", USURPER, &process, &port, user]);
    // The edge's own user may.
    assert_eq!(tries("0"), "listen succeeds\n");
    if !rustix::process::geteuid().is_root() {
        not_tried("a takeover by another user (run as root)");
        return;
    }
    // EADDRINUSE and EPERM.
    assert_eq!(tries("65534"), "listen 98\ncopy 1\ntake_over 1\n");
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    assert!(!edge.stop().contains("upgrade"));
}

#[tokio::test]
async fn addresses_may_change_with_an_upgrade() {
    let upstream = Upstream::start().await;
    let (edge, client) = installed(&upstream, 2);
    let client = Client::with(&edge, &client);
    let config = edge.folder.path().join("edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    let two = text.replace("https = [\"127.0.0.1:0\"]", "https = [\"127.0.0.1:0\", \"127.0.0.2:0\"]");
    fs::write(&config, &two).unwrap();
    let lines = edge.logged();
    replace(&edge);
    let second: serde_json::Value =
        serde_json::from_str(&edge.wait_for_log_after(lines, "\"address\":\"127.0.0.2:")).unwrap();
    let second: std::net::SocketAddr = second["address"].as_str().unwrap().parse().unwrap();
    assert_eq!(client.token("billing").await.status, 200);
    assert_eq!(client.clone().before(&(second, edge.server_ca.clone())).token("billing").await.status, 200);
    fs::write(&config, &text).unwrap();
    replace(&edge);
    edge.wait_for_logs("\"drained\"", 2);
    assert_eq!(client.token("billing").await.status, 200);
    assert!(tokio::net::TcpStream::connect(second).await.is_err(), "a removed address is still open");
    edge.stop();
}

#[tokio::test]
async fn what_ends_with_the_process_is_not_replaced() {
    let upstream = Upstream::start().await;
    // As systemd starts a service without Type=notify.
    let launcher = "export SYSTEMD_EXEC_PID=$$; exec \"$0\" \"$@\"";
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()).launcher(&["sh", "-c", launcher]));
    edge.signal("USR2");
    let line = edge.wait_for_log("upgrade failed");
    assert!(line.contains("write Type=notify in the unit"), "{line}");
    edge.stop();
}
