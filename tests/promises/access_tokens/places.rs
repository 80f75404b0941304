//! Clients that make the edge ask an issuer about invented tokens take no place of others.

use serde_json::json;

use super::{
    introspection::{Endpoint, active, edge},
    setup::{Setup, bearer, get},
};
use crate::support::{
    Client,
    admin::{happens, metric},
    self_signed,
};

/// Sends requests with invented tokens, one per connection, each from its own task.
fn invent(client: &Client, name: &'static str, count: usize) -> Vec<tokio::task::JoinHandle<()>> {
    let one = |number| {
        let client = client.clone();
        tokio::spawn(async move { drop(get(&client, "/api/x", &bearer(&format!("{name}{number}"))).await) })
    };
    (0..count).map(one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_take_no_place_of_known_clients() {
    let setup = Setup::start().await;
    let endpoint = Endpoint::start(active(&setup)).await;
    let edge = edge(&setup, &endpoint, ", timeout = \"20s\"");
    let known = Client::with(&edge, &setup.client);
    assert_eq!(get(&known, "/api/x", &bearer("prompt-first")).await.status, 200);
    endpoint.close();
    // Each certificate is a new one, each network another one: all places that strangers can have are taken.
    let mut waiting = Vec::new();
    for network in 2..8 {
        let stranger = Client::with(&edge, &self_signed("stranger")).from(format!("127.0.0.{network}"));
        let name = ["a", "b", "c", "d", "e", "f"][network - 2];
        waiting.extend(invent(&stranger, name, 6));
    }
    happens(async || metric(&edge, "mtls_edge_handshakes_total").await >= 37).await;
    happens(async || endpoint.requests() == 9).await;
    let answer = get(&known, "/api/x", &bearer("prompt-second")).await;
    assert_eq!(answer.status, 200, "on a new connection: {:?}", edge.log_of(&answer));
    assert_eq!(endpoint.requests(), 10, "strangers have half of the places");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_takes_no_place_of_other_strangers() {
    let setup = Setup::start().await;
    let endpoint = Endpoint::start(active(&setup)).await;
    let edge = edge(&setup, &endpoint, ", timeout = \"20s\"");
    endpoint.close();
    let waiting = invent(&Client::with(&edge, &self_signed("stranger")).from("127.0.0.2"), "a", 20);
    happens(async || metric(&edge, "mtls_edge_handshakes_total").await >= 20).await;
    happens(async || endpoint.requests() == 4).await;
    let answer = get(&Client::with(&edge, &setup.client), "/api/x", &bearer("prompt")).await;
    assert_eq!(answer.status, 200, "{:?}", edge.log_of(&answer));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_takes_no_place_of_another() {
    let setup = Setup::start().await;
    let (dead, alive) = (Endpoint::start(json!({})).await, Endpoint::start(active(&setup)).await);
    let tables = format!(
        "{}\n{}",
        dead.table(", timeout = \"20s\"").replacen("\"as\"", "\"dead\"", 1),
        alive.table("")
    );
    let route = "token_issuer = \"as\"\n[[domain.route]]\npath = \"/dead\"\nmethods = [\"GET\"]\nauthenticate = \"token\"\ntoken_issuer = \"dead\"";
    let edge = setup.builder_of(&tables, route).secret_file("secrets/edge", "secret").workers(1).start();
    dead.close();
    let mut waiting = Vec::new();
    for network in ["127.0.0.2", "127.0.0.3"] {
        let stranger = Client::with(&edge, &self_signed("stranger")).from(network);
        for number in 0..4 {
            let stranger = stranger.clone();
            let token = bearer(&format!("{network}-{number}"));
            waiting.push(tokio::spawn(async move { drop(get(&stranger, "/dead", &token).await) }));
        }
    }
    happens(async || dead.requests() == 8).await;
    let answer = get(&Client::with(&edge, &setup.client), "/api/x", &bearer("one")).await;
    assert_eq!(answer.status, 200, "{:?}", edge.log_of(&answer));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
