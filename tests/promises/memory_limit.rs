//! The bound on memory: near it connections are admitted as if their limit were reached, and a few always.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::net::TcpStream;

use crate::support::{
    Client, Connection, Edge, EdgeBuilder, PATIENCE, Upstream,
    admin::{happens, metric, status},
    program,
    tool::not_tried,
    with_client,
};

/// The connections that are admitted although memory is short.
const FEW: i64 = 16;

async fn closed(edge: &Edge, reason: &str) -> i64 {
    metric(edge, &format!("mtls_edge_connections_closed_total{{reason=\"{reason}\"}}")).await
}

const MIB: i64 = 1024 * 1024;
/// The file of a control group of version 1 with what it uses, in bytes.
const USAGE: &str = "memory.usage_in_bytes";
const LIMIT: &str = "mtls_edge_memory_limit_bytes";

/// Connections over which an application has authenticated: they are never closed for others.
async fn authenticated(client: &Client, count: i64) -> Vec<Connection> {
    let mut kept = Vec::new();
    for _ in 0..count {
        let mut connection = client.connect().await;
        assert_eq!(connection.token("billing").await.status, 200);
        kept.push(connection);
    }
    kept
}

async fn silent(client: &Client, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(client.tcp().await.unwrap());
    }
    streams
}

/// The codes of the problems in `/status`.
async fn problems(edge: &Edge) -> Vec<String> {
    let status = status(edge, "").await;
    let problems = status["health"]["problems"].as_array().unwrap();
    assert!(problems.iter().all(|problem| problem["at"].is_string()), "{problems:?}");
    problems.iter().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn few_connections_are_admitted_while_memory_is_short() {
    let upstream = Upstream::start().await;
    // Any program needs more.
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits("memory_bytes = 16777216"));
    edge.wait_for_log("memory is short: new connections replace others or are refused");
    assert_eq!(metric(&edge, "mtls_edge_memory_short").await, 1);
    assert!(metric(&edge, "mtls_edge_memory_bytes").await > 16_777_216);
    assert_eq!(problems(&edge).await, ["memory_short"]);
    let client = Client::with(&edge, &client);
    let mut kept = authenticated(&client, FEW).await;
    assert!(client.tls().await.is_err());
    assert_eq!((closed(&edge, "memory").await, closed(&edge, "bound").await), (1, 0));
    // Those that have not authenticated make room for others.
    kept.truncate(2);
    happens(async || metric(&edge, "mtls_edge_connections").await == 2).await;
    let crowd = silent(&client.clone().from("127.0.0.3"), 40).await;
    for _ in 0..5 {
        assert_eq!(client.clone().from("127.0.0.2").token("billing").await.status, 200);
    }
    assert!(metric(&edge, "mtls_edge_connections").await <= FEW);
    for connection in &mut kept {
        assert_eq!(connection.token("billing").await.status, 200);
    }
    drop(crowd);
    let file = edge.folder.path().join("edge.toml");
    let text = fs::read_to_string(file).unwrap();
    edge.reload("edge.toml", &text.replace("memory_bytes = 16777216", "memory_bytes = 1099511627776"));
    edge.wait_for_log("memory is not short any more");
    assert!(problems(&edge).await.is_empty());
    let crowd = silent(&client, 40).await;
    happens(async || metric(&edge, "mtls_edge_connections").await > 2 * FEW).await;
    drop(crowd);
}

/// A control group of version 1 within the test's own, which is removed when it is dropped.
struct Group(PathBuf);

impl Group {
    /// `None` where the test may not make one.
    fn new() -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = groups.lines().find_map(|line| line.split_once(":memory:"))?.1;
        let folder = Path::new("/sys/fs/cgroup/memory").join(own.trim_start_matches('/'));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = folder.join(format!("mtls-edge-test-{}-{number}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        Some(Self(folder))
    }

    /// The same, or a report.
    fn if_possible() -> Option<Self> {
        let group = Self::new();
        if group.is_none() {
            not_tried("the bound of a control group: none of version 1 can be made here (run as root)");
        }
        group
    }

    /// The script of a shell that starts a program in the group.
    fn launcher(&self) -> String {
        format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display())
    }

    fn number(&self, file: &str) -> i64 {
        fs::read_to_string(self.0.join(file)).unwrap().trim().parse().unwrap()
    }

    fn limit(&self, bytes: i64) {
        // EBUSY until the kernel has written and freed enough of the page cache.
        let begin = std::time::Instant::now();
        while let Err(error) = fs::write(self.0.join("memory.limit_in_bytes"), bytes.to_string()) {
            let is_busy = error.kind() == ErrorKind::ResourceBusy;
            assert!(is_busy && begin.elapsed() < PATIENCE, "{error}: {bytes}, in use {}", self.number(USAGE));
            std::thread::yield_now();
        }
    }
}

/// Memory that another process of a group holds: `tail`, which keeps what it may have to print. It is killed when this is dropped.
struct Held(Child);

impl Held {
    fn in_group(group: &Group, bytes: i64) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &group.launcher(), "sh", "tail", "-c", &bytes.to_string()]);
        let mut tail = shell.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let input = tail.stdin.as_mut().unwrap();
        for _ in 0..=bytes / 16_384 {
            input.write_all(&[b'x'; 16_384]).unwrap();
        }
        Self(tail)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The edge has ended, but the kernel may still count it.
        let begin = std::time::Instant::now();
        while fs::remove_dir(&self.0).is_err() && begin.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
    }
}

/// The memory of the machine, in bytes.
fn of_machine() -> i64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<i64>().unwrap() * 1024
}

#[tokio::test]
async fn memory_is_bounded_without_any_configuration() {
    let upstream = Upstream::start().await;
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()));
    // Or less, if the test itself is in a control group with a bound.
    let (limit, machine) = (metric(&edge, LIMIT).await, of_machine());
    assert!(limit > 0 && limit < machine, "{limit} of {machine}");
    assert!(metric(&edge, "mtls_edge_memory_bytes").await > 1_000_000);
}

#[tokio::test]
async fn a_bound_that_is_set_after_the_start_is_kept() {
    let Some(group) = Group::if_possible() else { return };
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).launcher(&["sh", "-c", &group.launcher(), "sh"]);
    let (edge, _) = with_client(edge);
    assert!(metric(&edge, LIMIT).await > 900 * MIB);
    group.limit(1000 * MIB);
    happens(async || metric(&edge, LIMIT).await == 900 * MIB).await;
    edge.stop();
}

#[tokio::test]
async fn the_bound_of_the_control_group_is_kept() {
    let Some(group) = Group::if_possible() else { return };
    group.limit(1000 * MIB);
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).launcher(&["sh", "-c", &group.launcher(), "sh"]);
    let (edge, client) = with_client(edge);
    let client = Client::with(&edge, &client);
    assert!(group.number(USAGE) > 0, "the edge is not in the group");
    assert_eq!(metric(&edge, LIMIT).await, 900 * MIB);
    let kept = authenticated(&client, FEW + 1).await;
    assert_eq!(metric(&edge, "mtls_edge_memory_short").await, 0);
    // The bound may change while the edge runs. What is in use is that of the whole group, so that the edge is far from what the kernel
    // would kill it for.
    let before = metric(&edge, "mtls_edge_memory_bytes").await;
    let held = 250 * MIB;
    let other = Held::in_group(&group, held);
    // What was observed while that was still growing is too little for a bound: the kernel would refuse it until it ends.
    happens(async || metric(&edge, "mtls_edge_memory_bytes").await >= before + held).await;
    let used = metric(&edge, "mtls_edge_memory_bytes").await;
    assert!(used < 900 * MIB, "{used}");
    group.limit(used + 20 * MIB);
    edge.wait_for_log("memory is short");
    assert!(client.tls().await.is_err());
    assert!(closed(&edge, "memory").await > 0);
    drop(other);
    edge.wait_for_log("memory is not short any more");
    assert_eq!(client.token("billing").await.status, 200);
    drop(kept);
    edge.stop();
}

/// What `check --probe` reports about this edge's configuration, started by a launcher.
fn probed(edge: &Edge, launcher: &str) -> String {
    let check = Command::new("sh")
        .args(["-c", launcher, "sh"])
        .arg(program().get_program())
        .args(["check", "--probe", "--config"])
        .arg(edge.folder.path().join("edge.toml"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&check.stderr) + String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success(), "{text}");
    text.into_owned()
}

#[tokio::test]
async fn a_bound_above_that_of_the_control_group_is_reported() {
    let Some(group) = Group::if_possible() else { return };
    group.limit(1_048_576_000);
    let upstream = Upstream::start().await;
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()).limits("memory_bytes = 2_000_000_000"));
    let text = probed(&edge, &group.launcher());
    assert!(text.contains("limits.memory_bytes: found 2000000000, and the control group"), "{text}");
    assert!(text.contains("allows 1048576000 bytes"), "{text}");
}

#[tokio::test]
async fn a_bound_above_the_memory_of_the_machine_is_reported() {
    let upstream = Upstream::start().await;
    let limits = "memory_bytes = 1125899906842624";
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()).limits(limits));
    let text = probed(&edge, "exec \"$@\"");
    let of_machine = format!("the machine has {} bytes", of_machine());
    // Unless the test itself is in a control group with a bound.
    assert!(text.contains(&of_machine) || text.contains("the control group"), "{text}");
}
