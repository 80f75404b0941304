//! Sockets that the service manager passes (sd_listen_fds(3)), and what it is notified of (sd_notify(3)).

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixDatagram,
};

use tempfile::TempDir;

use crate::support::{
    Client, DOMAIN, Edge, EdgeBuilder, PATIENCE, Upstream, admin, command::start_problems, with_client,
};

/// Opens sockets and passes them, as systemd does.
const LAUNCHER: &str = "
import fcntl, os, socket, sys
names, addresses, program = sys.argv[1], sys.argv[2].split(','), sys.argv[3:]
high = []
for address in addresses:
    host, port = address.rsplit(':', 1)
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((host, int(port)))
    if names != 'not-listening': opened.listen()
    high.append(fcntl.fcntl(opened.fileno(), fcntl.F_DUPFD, 20))
for number, socket in enumerate(high): os.dup2(socket, 3 + number, inheritable=True)
os.environ.update(LISTEN_FDS=str(len(high)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=names)
os.execv(program[0], program)";

/// An address that is free.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Passes sockets at these addresses.
fn passing(edge: EdgeBuilder, names: &str, addresses: &[SocketAddr]) -> EdgeBuilder {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    edge.launcher(&["python3", "-c", LAUNCHER, names, &addresses.join(",")])
}

async fn assert_serves(edge: &Edge, client: &Client) {
    // Enough for each worker to have accepted from the shared socket.
    for _ in 0..8 {
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(admin::get(edge, "/readyz").await.0, 200);
}

#[tokio::test]
async fn sockets_with_a_name_replace_the_configured_addresses() {
    let upstream = Upstream::start().await;
    let (https, admin) = (free(), free());
    let edge = EdgeBuilder::new(upstream.url()).https("127.0.0.1:1").installed();
    let (edge, client) = with_client(passing(edge, "https:admin", &[https, admin]));
    assert_eq!((edge.https, edge.admin), (https, admin));
    let client = Client::with(&edge, &client);
    assert_serves(&edge, &client).await;
    // They come along.
    super::handover::replace(&edge);
    assert_serves(&edge, &client).await;
    edge.stop();
}

#[tokio::test]
async fn sockets_without_a_name_serve_their_address() {
    let upstream = Upstream::start().await;
    let https = free();
    let edge = EdgeBuilder::new(upstream.url()).https(https);
    let (edge, client) = with_client(passing(edge, "mtls-edge.socket", &[https]));
    assert_eq!(edge.https, https);
    assert_serves(&edge, &Client::with(&edge, &client)).await;
    edge.stop();
}

#[tokio::test]
async fn a_socket_that_is_not_configured_is_an_error() {
    let upstream = Upstream::start().await;
    let other = free();
    for (names, addresses, expected) in [
        (
            "mtls-edge.socket",
            &[other][..],
            vec![
                format!(
                    "listen.https: the service manager passed a socket for {other}, which is not configured"
                ),
                format!("write https = [\"{other}\"], or FileDescriptorName=https in the socket unit"),
            ],
        ),
        (
            "admin:admin",
            &[free(), other],
            vec![format!("listen.admin: the service manager passed a second socket named admin: {other}")],
        ),
        ("not-listening", &[other], vec!["write Accept=no in the socket unit".to_owned()]),
    ] {
        let edge = EdgeBuilder::new(upstream.url()).domain(DOMAIN, "");
        let output = passing(edge, names, addresses).output("run");
        let text = start_problems(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        for expected in expected {
            assert!(text.contains(&expected), "{expected}: {text}");
        }
    }
}

/// Everything that the service manager is notified of.
struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, folder }
    }

    fn manages(&self, edge: EdgeBuilder) -> EdgeBuilder {
        edge.environment("NOTIFY_SOCKET", self.folder.path().join("notify").to_str().unwrap())
    }

    /// The lines of the next notification.
    fn next(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("no notification");
        std::str::from_utf8(&bytes[..length]).unwrap().lines().map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_is_notified_of_each_step() {
    let upstream = Upstream::start().await;
    let manager = Manager::new();
    let edge = EdgeBuilder::new(upstream.url()).installed().limits("drain_timeout = \"300ms\"");
    let (edge, client) = with_client(manager.manages(edge));
    assert_eq!(manager.next(), ["READY=1", "STATUS=serving"]);
    edge.signal("HUP");
    let reloading = manager.next();
    assert_eq!((&*reloading[0], &*reloading[2]), ("RELOADING=1", "STATUS=reloading"));
    // systemd compares the time with that of its own request.
    let time: u64 = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(time > 0);
    assert_eq!(manager.next(), ["READY=1", "STATUS=serving"]);
    // systemd accepts messages of the main process only: it must be known before it sends its first.
    let id = super::handover::replace(&edge);
    assert_eq!(manager.next(), [format!("MAINPID={id}")]);
    assert_eq!(manager.next(), ["READY=1", "STATUS=serving"]);
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    let config = edge.folder.path().join("edge.toml");
    std::fs::write(config, "broken").unwrap();
    // Numbered, so that a script sees whether its own attempt has failed (packaging/take-over.sh).
    for number in 1..3 {
        edge.signal("USR2");
        assert_eq!(manager.next(), [format!("STATUS=serving; upgrade {number} failed, see the log")]);
    }
    edge.signal("TERM");
    assert_eq!(manager.next(), ["STOPPING=1", "STATUS=draining"]);
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watchdog_is_notified_in_time() {
    let upstream = Upstream::start().await;
    let manager = Manager::new();
    let edge = manager.manages(EdgeBuilder::new(upstream.url())).environment("WATCHDOG_USEC", "100000");
    let (edge, _) = with_client(edge);
    assert_eq!(manager.next()[0], "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.next(), ["WATCHDOG=1"]);
    }
    edge.stop();
}
