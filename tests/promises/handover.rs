//! SIGUSR2: a new process, from the program that is installed by then, takes over. No connection is refused or lost, and nothing is
//! forgotten.

mod memory;
mod refused;

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures_util::future::join_all;
use mtls_edge::listen::BACKLOG;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::support::{
    Client, Connection, Credentials, Edge, EdgeBuilder, PATIENCE, Steady, Upstream, admin, edge::INSTALLED,
    with_client,
};

/// Short, since the replaced process waits so long for idle clients.
const LIMITS: &str = "drain_timeout = \"300ms\"\nconnections_per_address = 5000";

/// For tests whose clients do not idle: a busy machine needs time to answer those that were accepted.
const PATIENT: &str = "drain_timeout = \"20s\"\nconnections_per_address = 5000";

/// An edge with its own program.
fn installed(upstream: &Upstream, workers: usize) -> (Edge, Credentials) {
    installed_with(upstream, workers, LIMITS)
}

fn installed_with(upstream: &Upstream, workers: usize, limits: &str) -> (Edge, Credentials) {
    // Nothing about each connection.
    let quiet = "mtls_edge=info,mtls_edge::access=off,mtls_edge::connection=off";
    let edge = EdgeBuilder::new(upstream.url()).installed().limits(limits).workers(workers);
    with_client(edge.environment("RUST_LOG", quiet))
}

/// Asks for a takeover, and waits until the new process serves. Its id.
pub(super) fn replace(edge: &Edge) -> u32 {
    let (before, lines) = (edge.id(), edge.logged());
    edge.signal("USR2");
    edge.wait_for_log_after(lines, "\"replaced: ");
    edge.wait_for_log_after(lines, "admin listener ready");
    assert_ne!(edge.id(), before);
    edge.id()
}

/// Whether each of the edge's accept queues is full: the kernel ignores whoever connects.
fn is_full(edge: &Edge) -> bool {
    let allowed: i32 = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    // sl local_address rem_address st tx_queue:rx_queue ...; listeners (0A) are the first rows, and their rx_queue are the connections to
    // accept. A queue takes one more than its backlog.
    let rows = BufReader::new(fs::File::open("/proc/net/tcp").unwrap()).lines().skip(1);
    let listeners = rows.map(Result::unwrap).take_while(|row| row.contains(" 0A "));
    let port = format!(":{:04X} ", edge.https.port());
    let waiting = |row: String| {
        let (_, rest) = row.split_once(&port)?;
        let queues = rest.split_whitespace().nth(2).unwrap();
        Some(i32::from_str_radix(queues.split_once(':').unwrap().1, 16).unwrap())
    };
    let queues: Vec<i32> = listeners.filter_map(waiting).collect();
    assert!(!queues.is_empty(), "nobody listens at {port}");
    queues.into_iter().all(|queued| queued > BACKLOG.min(allowed))
}

/// Fills the accept queues with connections, each with a request, while this process is stopped.
async fn fill(edge: &Edge, stopped: u32) -> Vec<TcpStream> {
    let mut queued = Vec::new();
    while edge.id() == stopped && !is_full(edge) {
        // The kernel chooses the queue. One that is full does not answer.
        let connect = |_| timeout(Duration::from_millis(20), TcpStream::connect(edge.https));
        for connected in join_all((0..200).map(connect)).await {
            let Ok(stream) = connected else { continue };
            let mut stream = stream.unwrap();
            // Not TLS: the edge answers in one line.
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            queued.push(stream);
        }
    }
    queued
}

/// Asserts that all of these get their answer.
async fn assert_answered(queued: Vec<TcpStream>) {
    for mut stream in queued {
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no answer").unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{:?}", String::from_utf8_lossy(&answer));
    }
}

/// Replaces the process while its queues are full: it is stopped from the start of the new one until that is ready.
async fn replace_with_full_queues(edge: &Edge) {
    // On a busy machine, the new process may be faster than the signal.
    for _ in 0..5 {
        let (lines, old) = (edge.logged(), edge.id());
        edge.signal("USR2");
        edge.wait_for_log_after(lines, "upgrade: a new process has the sockets");
        edge.signal_process(old, "STOP");
        edge.wait_for_log_after(lines, "ready to take over");
        let queued = fill(edge, old).await;
        let was_stopped = edge.id() == old;
        edge.signal_process(old, "CONT");
        edge.wait_for_log_after(lines, "\"replaced: ");
        assert_answered(queued).await;
        edge.wait_for_log_after(lines, "admin listener ready");
        if was_stopped {
            return;
        }
    }
    panic!("the process that is to be stopped is always faster");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_swaps_under_load_lose_no_connection() {
    let upstream = Upstream::start().await;
    let (edge, client) = installed_with(&upstream, 2, PATIENT);
    let path = |name: &str| edge.folder.path().join(name);
    fs::copy(path(INSTALLED), path("other")).unwrap();
    fs::hard_link(path(INSTALLED), path("one")).unwrap();
    let client = Client::with(&edge, &client);
    let (load, mut clients) = (Arc::new(Steady::default()), JoinSet::new());
    for _ in 0..2 {
        clients.spawn(Arc::clone(&load).connecting(client.clone()));
        clients.spawn(Arc::clone(&load).connecting(client.clone().http2()));
        clients.spawn(Arc::clone(&load).keeping(client.clone()));
        clients.spawn(Arc::clone(&load).multiplexing(client.clone()));
    }
    for swap in 0..20 {
        let version = path(if swap % 2 == 0 { "other" } else { "one" });
        fs::hard_link(&version, path("new")).unwrap();
        fs::rename(path("new"), path(INSTALLED)).unwrap();
        let before = load.answered.load(Relaxed);
        replace_with_full_queues(&edge).await;
        let running = fs::metadata(format!("/proc/{}/exe", edge.id())).unwrap();
        assert_eq!(running.ino(), fs::metadata(version).unwrap().ino(), "another program runs");
        assert!(load.answered.load(Relaxed) > before);
    }
    load.ends.store(true, Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let lost = load.lost.lock().unwrap().clone();
    assert!(lost.is_empty(), "of {}: {lost:#?}", load.answered.load(Relaxed));
    // Each swap ends the two connections of HTTP/2 that are kept, unless a client is slow to open another.
    let announced = load.announced.load(Relaxed);
    assert!(announced >= 20, "{announced}");
    edge.stop();
}

/// Asserts that the response says that it is the last: the first one from when on the worker knows that its process is replaced.
async fn serves_its_last_request(mut connection: Connection) {
    timeout(PATIENCE, async {
        loop {
            let answer = connection.token("billing").await;
            assert_eq!(answer.status, 200);
            if answer.headers.get("connection").is_some_and(|value| value == "close") {
                return;
            }
        }
    })
    .await
    .expect("the connection goes on");
}

#[tokio::test]
async fn requests_in_flight_finish_at_the_replaced_process() {
    let mut held = crate::support::Held::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(held.url()).installed());
    let client = Client::with(&edge, &client);
    let (mut first, mut idle) = (client.connect().await, client.connect().await);
    held.release(1);
    assert_eq!(idle.token("billing").await.status, 200);
    held.arrived().await;
    let in_flight = tokio::spawn(async move {
        let answer = first.token("billing").await;
        (answer, first)
    });
    held.arrived().await;
    replace(&edge);
    held.release(100);
    let (answer, first) = in_flight.await.unwrap();
    assert_eq!(answer.status, 200);
    if !answer.headers.contains_key("connection") {
        serves_its_last_request(first).await;
    }
    // An idle connection serves one, too.
    serves_its_last_request(idle).await;
    edge.wait_for_log("\"drained\"");
    assert_eq!(client.token("billing").await.status, 200);
    assert_eq!(admin::get(&edge, "/readyz").await.0, 200);
    edge.stop();
}

#[tokio::test]
async fn another_number_of_workers_keeps_every_socket() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).installed().limits(LIMITS);
    let (edge, client) = with_client(edge.listen("workers = 3").workers_of_file());
    let client = Client::with(&edge, &client);
    let config = edge.folder.path().join("edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    for workers in [1, 4] {
        fs::write(&config, text.replace("workers = 3", &format!("workers = {workers}"))).unwrap();
        replace(&edge);
        // Enough for each of the sockets.
        for _ in 0..16 {
            assert_eq!(client.token("billing").await.status, 200);
        }
    }
    edge.stop();
}
