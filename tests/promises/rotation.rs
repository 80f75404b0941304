//! A full rotation under load, with a renewed server certificate and fifty reloads: not one request is lost.

use std::{
    fs,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::task::{JoinSet, block_in_place};

use crate::support::{Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream, self_signed};

const CONNECTIONS: usize = 64;
const RELOADS: usize = 50;
/// Requests on one connection before it is made anew.
const KEPT: usize = 25;

/// What the busy clients share.
struct Load {
    /// Both versions of HTTP, with the credential to be used for new connections.
    current: RwLock<(usize, [Client; 2])>,
    stop: AtomicBool,
    served: AtomicUsize,
}

impl Load {
    fn current(&self, number: usize) -> (usize, Client) {
        let current = self.current.read().unwrap();
        (current.0, current.1[number % 2].clone())
    }
}

fn clients(edge: &Edge, credentials: &Credentials) -> [Client; 2] {
    [Client::with(edge, credentials), Client::with(edge, credentials).http2()]
}

/// Calls until it is stopped; every answer must be 200.
async fn busy(number: usize, load: Arc<Load>, moved: Arc<AtomicUsize>) {
    let mut generation = 0;
    while !load.stop.load(Ordering::Relaxed) {
        let (newest, client) = load.current(number);
        let mut connection = client.connect().await;
        if newest > generation {
            generation = newest;
            moved.fetch_add(1, Ordering::Relaxed);
        }
        for _ in 0..KEPT {
            if load.stop.load(Ordering::Relaxed) || load.current(number).0 > generation {
                break;
            }
            let answer = connection.token("billing").await;
            assert_eq!(answer.status, 200, "{answer:?}");
            load.served.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Does something that reloads, and waits until that is in force.
fn reload(edge: &Edge, act: impl FnOnce()) {
    let generation = edge.log().matches("\"reloaded\"").count() + 2;
    act();
    edge.wait_for_log(&format!("\"reloaded\",\"generation\":{generation},"));
}

fn register(edge: &Edge, credentials: &[&Credentials]) {
    let list = credentials.iter().fold(String::new(), |list, one| {
        let print = one.thumbprint();
        format!("{list}[[application.credential]]\nname = \"{print}\"\nthumbprint = \"{print}\"\n")
    });
    let file = edge.folder.path().join("applications.toml");
    reload(edge, || fs::write(file, format!("[[application]]\nclient_id = \"billing\"\n{list}")).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_one_request_is_lost_in_a_rotation_under_load() {
    let upstream = Upstream::start().await;
    let (first, second) = (self_signed("billing"), self_signed("billing"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[first.thumbprint()])
        .quiet()
        .start();
    let load = Arc::new(Load {
        current: RwLock::new((1, clients(&edge, &first))),
        stop: AtomicBool::new(false),
        served: AtomicUsize::new(0),
    });
    let moved = Arc::new(AtomicUsize::new(0));
    let mut busy_clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        busy_clients.spawn(busy(number, Arc::clone(&load), Arc::clone(&moved)));
    }
    let wait_for_moved = async |count: usize| {
        while moved.load(Ordering::Relaxed) < count {
            tokio::task::yield_now().await;
        }
    };
    wait_for_moved(CONNECTIONS).await;
    let mut left_behind = Vec::new();
    for client in &clients(&edge, &first) {
        let mut connection = client.connect().await;
        assert_eq!(connection.token("billing").await.status, 200);
        left_behind.push(connection);
    }

    block_in_place(|| register(&edge, &[&first, &second]));
    *load.current.write().unwrap() = (2, clients(&edge, &second));
    wait_for_moved(2 * CONNECTIONS).await;
    block_in_place(|| register(&edge, &[&second]));
    for mut connection in left_behind {
        connection.token("billing").await.oauth_error(401, "invalid_client");
        connection.closed().await;
    }
    for client in &clients(&edge, &first) {
        client.token("billing").await.oauth_error(401, "invalid_client");
    }

    let renewed = edge.issuer.server(&[DOMAIN]);
    block_in_place(|| reload(&edge, || renewed.write(edge.folder.path(), DOMAIN)));
    let before = load.served.load(Ordering::Relaxed);
    for _ in 0..RELOADS {
        block_in_place(|| reload(&edge, || edge.signal("HUP")));
    }
    assert_eq!(clients(&edge, &second)[0].connect().await.server_chain, renewed.chain);
    // The load went on all the while.
    while load.served.load(Ordering::Relaxed) < before + CONNECTIONS {
        tokio::task::yield_now().await;
    }
    load.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = busy_clients.join_next().await {
        ended.unwrap();
    }
    edge.stop();
}
