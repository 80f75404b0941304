//! What the edge does at origins by itself is bounded, and one origin or resolver that hangs does not delay it at others.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, net::TcpListener, time::timeout};

use crate::support::{
    DOMAIN, Edge, EdgeBuilder, PATIENCE,
    admin::{happens, metric},
    scripted::{Scripted, read_head},
    self_signed, tool,
};

const ROUTE: &str =
    "[[domain.route]]\npath = \"/oauth/token\"\nmethods = [\"POST\"]\nauthenticate = \"client\"";

/// An origin whose health checks the test counts and decides.
struct Checked {
    server: Scripted,
    is_sick: Arc<AtomicBool>,
}

impl Checked {
    async fn start() -> Self {
        let is_sick = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&is_sick);
        // Each check has a connection of its own.
        let server = Scripted::start(move |_, mut stream| {
            let is_sick = Arc::clone(&shared);
            async move {
                let _ = read_head(&mut stream).await;
                let status = if is_sick.load(SeqCst) { 500 } else { 200 };
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
            }
        })
        .await;
        Self { server, is_sick }
    }
}

/// Listeners that accept connections and say nothing.
async fn hanging(count: usize) -> Vec<TcpListener> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    all
}

/// An edge that checks one origin, and these others in another upstream.
fn edge_before(checked: &Checked, hanging: &[TcpListener], limit: &str, settings: &str) -> Edge {
    let urls: Vec<_> =
        hanging.iter().map(|one| format!("\"http://{}\"", one.local_addr().unwrap())).collect();
    let mut edge = EdgeBuilder::new(checked.server.url())
        .upstream("health_check = { path = \"/\", interval = \"100ms\" }")
        .extra(&format!(
            "[[upstream]]\nname = \"hanging\"\nurls = [{}]\nhealth_check = {{ path = \"/\", {settings} }}",
            urls.join(", ")
        ))
        .domain(DOMAIN, &format!("upstream = \"as\"\n{ROUTE}"))
        .domain("hanging.example", &format!("upstream = \"hanging\"\n{ROUTE}"))
        .self_signed_application("billing", &[self_signed("billing").thumbprint()]);
    if !limit.is_empty() {
        edge = edge.open_files(limit);
    }
    edge.start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origins_that_hang_do_not_delay_the_checks_of_others() {
    let (checked, origins) = (Checked::start().await, hanging(20).await);
    let edge = edge_before(&checked, &origins, "", "interval = \"100ms\", timeout = \"1m\"");
    // All of them are checked at once, for minutes.
    let mut held = Vec::new();
    for origin in &origins {
        held.push(timeout(PATIENCE, origin.accept()).await.expect("an origin is not checked").unwrap());
    }
    let before = checked.server.accepted();
    happens(async || checked.server.accepted() > before + 5).await;
    checked.is_sick.store(true, SeqCst);
    let line = edge.wait_for_log("\"origin failed its health checks\"");
    assert!(line.contains(&checked.server.url()), "{line}");
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_beyond_their_connections_have_their_turn() {
    let (checked, origins) = (Checked::start().await, hanging(8).await);
    // Five checks at once are possible with so few descriptors.
    let edge = edge_before(&checked, &origins, "-n 256", "interval = \"100ms\", timeout = \"100ms\"");
    for origin in &origins {
        timeout(PATIENCE, origin.accept()).await.expect("an origin is not checked").unwrap();
    }
    let before = checked.server.accepted();
    happens(async || checked.server.accepted() > before).await;
    let log = edge.log();
    let of_checked = |line: &&str| line.contains("health checks") && line.contains(&checked.server.url());
    assert_eq!(log.lines().find(of_checked), None, "the wait for a turn is not the origin's");
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_resolver_takes_few_threads_and_delays_no_other() {
    if !tool::has_mount_namespaces() {
        return;
    }
    // An address of its own, since the port of DNS cannot be chosen.
    let [.., high, low] = std::process::id().to_be_bytes();
    let resolver = UdpSocket::bind((Ipv4Addr::new(127, 53, high, low.max(1)), 53)).unwrap();
    let checked = Checked::start().await;
    let port = checked.server.address.port();
    let edge = EdgeBuilder::new(format!("http://auth.example.test:{port}"))
        .own_hosts("127.0.0.1 auth.example.test\n")
        .file(
            "resolv.conf",
            format!("nameserver {}\noptions timeout:2 attempts:1\n", resolver.local_addr().unwrap().ip()),
        )
        .upstream("dns_refresh = \"100ms\"")
        .domain(DOMAIN, &format!("upstream = \"as\"\n{ROUTE}"))
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .start();
    let threads = async || metric(&edge, "process_threads").await;
    let before = threads().await;
    let mut urls: Vec<_> =
        (0..40).map(|number| format!("\"http://silent-{number}.example.test:{port}\"")).collect();
    // The only one in /etc/hosts, and the last.
    urls.push(format!("\"http://auth.example.test:{port}\""));
    let config = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let upstream = format!(
        "[[upstream]]\nname = \"silent\"\nurls = [{}]\ndns_refresh = \"100ms\"\n\
         health_check = {{ path = \"/\", interval = \"100ms\" }}\n\n[[domain]]\n",
        urls.join(", ")
    );
    let config =
        config.replacen("[[domain]]\n", &upstream, 1).replace("upstream = \"as\"", "upstream = \"silent\"");
    edge.reload("edge.toml", &config);
    happens(async || threads().await > before + 8).await;
    for _ in 0..20 {
        let now = threads().await;
        assert!(now <= before + 16, "{now} threads, {before} before");
    }
    // As long as no name is known as slow, each waits for a thread. The first change may be as late.
    happens(async || checked.server.accepted() > 0).await;
    let hosts = edge.folder.path().join("hosts");
    let mut begin = None;
    for address in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        let lines = edge.logged();
        std::fs::write(&hosts, format!("{address} auth.example.test\n")).unwrap();
        let line = edge.wait_for_log_after(lines, "\"addresses of the origin changed\"");
        assert!(line.contains(address), "{line}");
        begin.get_or_insert_with(Instant::now);
    }
    let (took, timeout) = (begin.unwrap().elapsed(), Duration::from_secs(2));
    assert!(took < timeout, "{took:?}: it waits for the lookups of other names");
    edge.stop();
}
