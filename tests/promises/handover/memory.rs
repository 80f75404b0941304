//! What the edge remembers comes along: used assertions, sessions, last uses.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::json;
use testkit::jws::SigningKey;
use time::OffsetDateTime;

use super::{installed, replace};
use crate::{
    private_key_jwt::{CLIENT, DOMAIN_SETTINGS, ISSUER, application, rand, request},
    support::{Client, Connection, DOMAIN, Edge, EdgeBuilder, Upstream, admin, self_signed},
};

/// An idle connection of the replaced process is used within this time, on a busy machine, too.
const LIMITS: &str = "drain_timeout = \"3s\"";

fn assertion(key: &SigningKey) -> String {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let jti = format!("{:032x}", rand());
    let claims =
        json!({ "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60 });
    key.token(&json!({ "alg": "EdDSA" }), &claims)
}

fn with_assertions(upstream: &Upstream, key: &SigningKey) -> Edge {
    let edge = EdgeBuilder::new(upstream.url()).domain(DOMAIN, DOMAIN_SETTINGS).installed().limits(LIMITS);
    application(edge, CLIENT, &[(key, "alg = \"EdDSA\"")]).start()
}

/// Whether a request with this assertion is accepted.
async fn accepts(connection: &mut Connection, assertion: &str) -> bool {
    match connection.send(request(assertion)).await.status.as_u16() {
        200 => true,
        401 => false,
        other => panic!("status {other}"),
    }
}

#[tokio::test]
async fn a_used_assertion_stays_used() {
    let (upstream, key) = (Upstream::start().await, SigningKey::ed25519());
    let edge = with_assertions(&upstream, &key);
    let client = Client::new(&edge);
    let (used, unused) = (assertion(&key), assertion(&key));
    assert!(accepts(&mut client.connect().await, &used).await);
    let mut kept = client.clone().http2().connect().await;
    let mut old = client.connect().await;
    let later = assertion(&key);
    assert!(accepts(&mut kept, &later).await);
    replace(&edge);
    let mut new = client.connect().await;
    for assertion in [&used, &later] {
        assert!(!accepts(&mut new, assertion).await);
        new = client.connect().await;
    }
    // Issued before the new process started, and not used yet: at the new one, and then at a connection of the old one.
    assert!(accepts(&mut new, &unused).await);
    assert!(!accepts(&mut old, &unused).await);
    replace(&edge);
    assert!(!accepts(&mut client.connect().await, &unused).await);
    edge.stop();
}

#[tokio::test]
async fn a_connection_of_the_replaced_process_uses_it_for_all() {
    let (upstream, key) = (Upstream::start().await, SigningKey::ed25519());
    let edge = with_assertions(&upstream, &key);
    let client = Client::new(&edge);
    let mut old = client.connect().await;
    let first = assertion(&key);
    replace(&edge);
    assert!(accepts(&mut old, &first).await);
    assert!(!accepts(&mut client.connect().await, &first).await);
    edge.stop();
}

/// Each assertion is sent over connections of the old and of the new process at the same time, during swaps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_swaps_each_assertion_is_accepted_once() {
    const CLIENTS: usize = 3;
    const ROUNDS: usize = 10;
    let (upstream, key) = (Upstream::start().await, SigningKey::ed25519());
    let edge = with_assertions(&upstream, &key);
    let client = Client::new(&edge);
    let rounds = Arc::new(AtomicUsize::new(0));
    let swaps = {
        let rounds = Arc::clone(&rounds);
        tokio::task::spawn_blocking(move || {
            // However long a swap takes on this machine.
            let mut swaps = 0;
            while swaps < 3 || rounds.load(Relaxed) < ROUNDS {
                replace(&edge);
                swaps += 1;
            }
            edge
        })
    };
    while !swaps.is_finished() {
        let mut connections = Vec::new();
        for number in 0..CLIENTS {
            let client = if number == 0 { client.clone().http2() } else { client.clone() };
            connections.push(client.connect().await);
        }
        let assertion = assertion(&key);
        let uses = connections.into_iter().map(|mut connection| {
            let assertion = assertion.clone();
            tokio::spawn(async move { accepts(&mut connection, &assertion).await })
        });
        let mut accepted = 0;
        for accepts in uses.collect::<Vec<_>>() {
            accepted += usize::from(accepts.await.unwrap());
        }
        assert_eq!(accepted, 1);
        rounds.fetch_add(1, Relaxed);
    }
    assert_eq!(upstream.seen().len(), rounds.load(Relaxed));
    swaps.await.unwrap().stop();
}

#[tokio::test]
async fn sessions_are_resumed_and_last_uses_are_shown() {
    let upstream = Upstream::start().await;
    let (edge, client) = installed(&upstream, 2);
    let client = Client::with(&edge, &client).resuming();
    assert_eq!(client.token("billing").await.status, 200);
    let last_used = async || {
        let status: serde_json::Value = serde_json::from_str(&admin::get(&edge, "/status").await.1).unwrap();
        status["applications"].to_string()
    };
    let before = last_used().await;
    assert!(before.contains("last_used\":\"2"), "{before}");
    replace(&edge);
    assert_eq!(last_used().await, before);
    let mut connection = client.connect().await;
    assert!(connection.resumed);
    assert_eq!(connection.token("billing").await.status, 200);
    edge.stop();
}

#[tokio::test]
async fn a_credential_of_the_same_name_was_not_used() {
    let upstream = Upstream::start().await;
    let (edge, client) = installed(&upstream, 1);
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    let applications = edge.folder.path().join("applications.toml");
    let text = std::fs::read_to_string(&applications).unwrap();
    let other = self_signed("billing");
    let (before, after) = (client.thumbprint(), other.thumbprint());
    assert!(text.contains(&before), "{text}");
    // Replaced in the same moment as the process, which sees only the new file.
    std::fs::write(&applications, text.replace(&before, &after)).unwrap();
    replace(&edge);
    let status: serde_json::Value = serde_json::from_str(&admin::get(&edge, "/status").await.1).unwrap();
    let status = status["applications"].to_string();
    assert!(status.contains("\"last_used\":null"), "{status}");
    assert_eq!(Client::with(&edge, &other).token("billing").await.status, 200);
    edge.stop();
}
