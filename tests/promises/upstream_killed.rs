//! One of three origins is killed, another one stalls, and both come back, under load. Only requests whose bytes had gone out may fail.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::{Client, EdgeBuilder, admin, origin_process::OriginProcess, with_client};

const CLIENTS: usize = 8;

/// Clients that send requests with unique numbers, and record the status of each.
#[derive(Default)]
struct Load {
    next: AtomicU64,
    stop: AtomicBool,
    statuses: Mutex<HashMap<u64, u16>>,
}

impl Load {
    async fn call(&self, client: Client) {
        while !self.stop.load(Relaxed) {
            let mut connection = client.connect().await;
            for _ in 0..50 {
                if self.stop.load(Relaxed) {
                    return;
                }
                let id = self.next.fetch_add(1, Relaxed);
                let request = Request::get(format!("/any/request?{id}")).body(Empty::<Bytes>::new()).unwrap();
                let answer = connection.send(request).await;
                self.statuses.lock().unwrap().insert(id, answer.status.as_u16());
            }
        }
    }

    fn count(&self) -> usize {
        self.statuses.lock().unwrap().len()
    }

    /// Waits for the answers to this many further requests.
    async fn goes_on(&self, requests: usize) {
        let until = self.count() + requests;
        admin::happens(async || self.count() >= until).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_requests_that_had_gone_out_fail() {
    let folder = TempDir::new().unwrap();
    let mut origins = ["a", "b", "c"].map(|name| OriginProcess::start(&folder.path().join(name)));
    let edge =
        EdgeBuilder::new(origins[0].url()).also_upstream(origins[1].url()).also_upstream(origins[2].url());
    let settings = "response_timeout = \"300ms\"\nhealth_check = { path = \"/health\", interval = \"100ms\", timeout = \"500ms\" }";
    let (edge, credentials) = with_client(edge.upstream(settings).quiet());
    let load = Arc::new(Load::default());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = Client::with(&edge, &credentials);
        let client = if number % 2 == 0 { client } else { client.http2() };
        let load = Arc::clone(&load);
        clients.spawn(async move { load.call(client).await });
    }
    let [killed, stalled, _] = &mut origins;
    let serves = async |origin: &OriginProcess| {
        let before = origin.received().len();
        admin::happens(async || origin.received().len() > before + 20).await;
    };
    serves(killed).await;

    killed.kill();
    edge.wait_for_log("\"origin unreachable\"");
    load.goes_on(200).await;
    killed.revive();
    serves(killed).await;

    let before_stall = edge.logged();
    stalled.signal("STOP");
    let line = edge.wait_for_log_after(before_stall, &stalled.url());
    assert!(line.contains("origin ejected") || line.contains("origin failed its health checks"), "{line}");
    load.goes_on(200).await;
    stalled.signal("CONT");
    serves(stalled).await;
    load.stop.store(true, Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }

    let received = origins.each_ref().map(OriginProcess::received);
    let statuses = load.statuses.lock().unwrap();
    assert_eq!(statuses.len() as u64, load.next.load(Relaxed), "every request has a response");
    let failed: HashMap<u64, u16> =
        statuses.iter().filter(|(_, status)| **status != 200).map(|(id, status)| (*id, *status)).collect();
    for id in statuses.keys() {
        let times = received.each_ref().map(|of| of.get(id).copied().unwrap_or(0));
        match failed.get(id) {
            None => assert_eq!(times.iter().sum::<usize>(), 1, "request {id} was received {times:?} times"),
            // The killed origin may not have read what it was sent.
            Some(502) => assert!(times[0] <= 1 && times[1..] == [0, 0], "request {id}: {times:?}"),
            // The stalled origin reads it when it continues.
            Some(504) => assert_eq!(times, [0, 1, 0], "request {id}"),
            Some(status) => panic!("request {id} failed with {status}: {times:?}"),
        }
    }
    let count = |status| failed.values().filter(|failed| **failed == status).count();
    // One request of each client can be in flight.
    assert!(count(502) <= CLIENTS, "{failed:?}");
    assert!((1..=2 * CLIENTS).contains(&count(504)), "{failed:?}");
    eprintln!("{} requests, {} failed: {failed:?}", statuses.len(), failed.len());
}
