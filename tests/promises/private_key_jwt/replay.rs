//! An assertion is accepted once: over every connection, by every worker, across reloads, and after a restart.

use std::time::Duration;

use serde_json::json;
use testkit::jws::SigningKey;
use time::OffsetDateTime;

use super::{CLIENT, Setup, application, request, request_as};
use crate::support::{
    Client,
    admin::{self, metric},
};

const USED: &str = "the assertion of \"reports\" is refused: its jti was used before";

#[tokio::test]
async fn a_used_assertion_is_refused_until_it_expires() {
    let key = SigningKey::ed25519();
    let mut setup = Setup::with(&[(&key, "alg = \"EdDSA\"")]).await;
    let assertion = setup.assertion(&key, "EdDSA");
    setup.passes(&assertion).await;
    for later in [0, 59] {
        setup.edge.set_clock(OffsetDateTime::from_unix_timestamp(setup.now + later).unwrap());
        let (description, reason) = setup.refuses(&assertion).await;
        assert!(description.contains("used before"), "{description}");
        assert_eq!(reason, USED);
    }
    setup.edge.set_clock(OffsetDateTime::from_unix_timestamp(setup.now + 60).unwrap());
    assert!(setup.refuses(&assertion).await.1.ends_with("expired 0 s ago (exp)"));
}

#[tokio::test]
async fn of_many_uses_at_once_one_is_accepted() {
    let key = SigningKey::ed25519();
    let setup = Setup::changed(&[(&key, "alg = \"EdDSA\"")], |edge| edge.workers(4)).await;
    for http2 in [false, true] {
        let assertion = setup.assertion(&key, "EdDSA");
        let client = Client::new(&setup.edge);
        let client = if http2 { client.http2() } else { client };
        let mut connections = Vec::new();
        for _ in 0..24 {
            connections.push(client.connect().await);
        }
        let uses = connections.into_iter().map(|mut connection| {
            let request = request(&assertion);
            tokio::spawn(async move { connection.send(request).await.status.as_u16() })
        });
        let mut accepted = 0;
        for status in uses.collect::<Vec<_>>() {
            match status.await.unwrap() {
                200 => accepted += 1,
                status => assert_eq!(status, 401),
            }
        }
        assert_eq!(accepted, 1);
    }
    assert_eq!(setup.upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_reload_forgets_no_used_assertion() {
    let (key, other) = (SigningKey::ed25519(), SigningKey::ed25519());
    let lines = "alg = \"EdDSA\"";
    let setup = Setup::start(|edge| {
        application(application(edge, "billing", &[(&other, lines)]), CLIENT, &[(&key, lines)])
    })
    .await;
    let assertion = setup.assertion(&key, "EdDSA");
    setup.passes(&assertion).await;
    let path = setup.edge.folder.path().join("applications.toml");
    let both = std::fs::read_to_string(path).unwrap();
    let without = &both[..both.rfind("[[application]]").unwrap()];
    // Without the application, and with it again.
    for (text, reason) in
        [(without, "no application is registered as \"reports\", which uses client_assertion"), (&both, USED)]
    {
        setup.edge.reload("applications.toml", text);
        assert_eq!(setup.refuses(&assertion).await.1, reason);
    }
    setup.passes(&setup.assertion(&key, "EdDSA")).await;
}

#[tokio::test]
async fn after_a_restart_earlier_assertions_are_refused() {
    let key = SigningKey::ed25519();
    let setup = Setup::with(&[(&key, "alg = \"EdDSA\"")]).await;
    let used = setup.assertion(&key, "EdDSA");
    setup.passes(&used).await;
    let unused = setup.assertion(&key, "EdDSA");
    let without_iat =
        key.token(&json!({ "alg": "EdDSA" }), &setup.claims(&json!({ "iat": null, "nbf": null })));
    let started = OffsetDateTime::from_unix_timestamp(setup.now).unwrap() + Duration::from_secs(2);
    let again = Setup::changed(&[(&key, "alg = \"EdDSA\"")], |edge| edge.clock(started)).await;
    for earlier in [used, unused] {
        let (description, reason) = again.refuses(&earlier).await;
        assert!(description.contains("issued before this server started"), "{description}");
        assert!(reason.ends_with("it was issued before this process started, and may have been used"));
    }
    let (description, reason) = again.refuses(&without_iat).await;
    assert!(description.contains("send iat"), "{description}");
    assert!(reason.ends_with("it has no iat, and may have been issued and used before this process started"));
    // In the second of the start, and without iat only if its life of at most 300 s can have begun after it.
    let now = started.unix_timestamp();
    for changes in [
        json!({ "iat": now, "nbf": now, "exp": now + 60 }),
        json!({ "iat": null, "nbf": null, "exp": now + 300 }),
    ] {
        again.passes(&key.token(&json!({ "alg": "EdDSA" }), &again.claims(&changes))).await;
    }
}

#[tokio::test]
async fn a_full_store_refuses_and_forgets_nothing() {
    let [key, other, third] = [0; 3].map(|_| SigningKey::ed25519());
    let lines = "alg = \"EdDSA\"";
    let mut setup = Setup::changed(&[(&key, lines)], |edge| {
        let edge = application(edge.limits("assertion_ids = 8"), "billing", &[(&other, lines)]);
        application(edge, "third", &[(&third, lines)])
    })
    .await;
    let used: Vec<String> = (0..4).map(|_| setup.assertion(&key, "EdDSA")).collect();
    for assertion in &used {
        setup.passes(assertion).await;
    }
    // One client may use half.
    let before = setup.upstream.seen().len();
    let answer = setup.send(&setup.assertion(&key, "EdDSA")).await;
    let description = answer.oauth_error(503, "temporarily_unavailable");
    assert!(description.contains("try again later") && answer.headers.contains_key("retry-after"));
    assert_eq!(setup.upstream.seen().len(), before);
    for assertion in &used {
        assert_eq!(setup.refuses(assertion).await.1, USED);
    }
    admin::assert_counted(&setup.edge, "assertion_ids_full").await;
    // Another client has the other half, and a third one nothing.
    let send = async |client_id: &str, key: &SigningKey| {
        let claims = setup.claims(&json!({ "iss": client_id, "sub": client_id }));
        let assertion = key.token(&json!({ "alg": "EdDSA" }), &claims);
        setup.connect().await.send(request_as(client_id, &assertion)).await
    };
    for _ in 0..4 {
        assert_eq!(send("billing", &other).await.status, 200);
    }
    send("third", &third).await.oauth_error(503, "temporarily_unavailable");
    let metric = async |name: &str| metric(&setup.edge, &format!("mtls_edge_assertion_ids{name}")).await;
    assert_eq!((metric("").await, metric("_limit").await), (8, 8));
    for (reason, count) in [("used", 4), ("client_full", 1), ("full", 1), ("unreachable", 0)] {
        assert_eq!(metric(&format!("_refused_total{{reason=\"{reason}\"}}")).await, count, "{reason}");
    }
    // Once they have expired, there is room.
    let later = setup.now + 60;
    setup.edge.set_clock(OffsetDateTime::from_unix_timestamp(later).unwrap());
    setup.now = later;
    setup.passes(&setup.assertion(&key, "EdDSA")).await;
}

#[tokio::test]
async fn two_clients_may_use_the_same_jti() {
    let (one, two) = (SigningKey::ed25519(), SigningKey::ed25519());
    let setup = Setup::start(|edge| {
        let edge = application(edge, CLIENT, &[(&one, "alg = \"EdDSA\"")]);
        application(edge, "billing", &[(&two, "alg = \"EdDSA\"")])
    })
    .await;
    let header = json!({ "alg": "EdDSA" });
    let signed = |key: &SigningKey, client_id: &str| {
        key.token(&header, &setup.claims(&json!({ "iss": client_id, "sub": client_id, "jti": "1" })))
    };
    setup.passes(&signed(&one, CLIENT)).await;
    let request = request_as("billing", &signed(&two, "billing"));
    assert_eq!(setup.connect().await.send(request).await.status, 200);
}
