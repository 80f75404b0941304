//! Keys that an application publishes at its `jwks_uri`: fetched in the background, cached in a file, and never blocking a request.
//!
//! The tests' runtimes have a second thread, so that the server of the keys runs while a test waits for its edge.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use testkit::jws::SigningKey;

use super::{CLIENT, Setup, forged::GENERIC, request, request_as};
use crate::support::{
    Upstream,
    admin::{happens, status},
};

const FILE: &str = "state/reports.json";

/// A server of a key set, which tests change.
struct Published {
    server: Upstream,
    answer: Arc<Mutex<(StatusCode, String)>>,
}

impl Published {
    async fn start(set: &Value) -> Self {
        let answer = Arc::new(Mutex::new((StatusCode::OK, set.to_string())));
        let shared = Arc::clone(&answer);
        let server = Upstream::answering(move |_| {
            let (status, body) = shared.lock().unwrap().clone();
            Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap()
        })
        .await;
        Self { server, answer }
    }

    fn answer(&self, status: StatusCode, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    /// An edge whose application publishes its keys here.
    async fn setup(&self) -> Setup {
        let url = format!("{}/jwks.json?key=zQ7hidden", self.server.url());
        let registered = registration(&url);
        Setup::start(|edge| edge.applications_file("published.toml").file("published.toml", registered)).await
    }
}

fn registration(url: &str) -> String {
    format!(
        "[[application]]\nclient_id = \"{CLIENT}\"\nauth_method = \"private_key_jwt\"\n\
         jwks_uri = {{ url = \"{url}\", file = \"{FILE}\", refresh = \"50ms\" }}\n"
    )
}

fn key(key: &SigningKey, members: &Value) -> Value {
    let mut jwk = key.jwk();
    jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    jwk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_a_jwks_uri_authenticate_by_kid_and_alg() {
    let (rsa, pss, ec) = (SigningKey::rsa(), SigningKey::rsa(), SigningKey::p256());
    let set = json!({ "keys": [
        key(&rsa, &json!({ "kid": "1" })),
        key(&pss, &json!({ "kid": "2", "alg": "PS256", "use": "sig" })),
        key(&ec, &json!({ "kid": "3" })),
        key(&SigningKey::rsa(), &json!({ "kid": "4", "use": "enc" })),
    ] });
    let published = Published::start(&set).await;
    let setup = published.setup().await;
    assert!(setup.edge.folder.path().join(FILE).exists(), "fetched before any request is served");
    for (key, algorithm, kid) in [(&rsa, "RS256", "1"), (&pss, "PS256", "2"), (&ec, "ES256", "3")] {
        setup.passes(&setup.assertion(key, algorithm)).await;
        let header = json!({ "alg": algorithm, "kid": kid });
        setup.passes(&key.token(&header, &setup.claims(&json!({})))).await;
    }
    // The algorithm is that of the JWK, or the usual one of its type.
    for (key, algorithm) in [(&rsa, "PS256"), (&pss, "RS256"), (&rsa, "RS384")] {
        setup.refuses(&setup.assertion(key, algorithm)).await;
    }
    assert!(!setup.edge.stop().contains("zQ7hidden"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_at_the_jwks_uri_on_an_open_connection() {
    let (old, new) = (SigningKey::p256(), SigningKey::p256());
    let one = |published: &SigningKey, kid: &str| json!({ "keys": [key(published, &json!({ "kid": kid }))] });
    let published = Published::start(&one(&old, "old")).await;
    let setup = published.setup().await;
    let mut connection = setup.connect().await;
    assert_eq!(connection.send(request(&setup.assertion(&old, "ES256"))).await.status, 200);
    published.answer(StatusCode::OK, &one(&new, "new").to_string());
    setup.edge.wait_for_log("\"reloaded\",\"generation\":2");
    connection.send(request(&setup.assertion(&old, "ES256"))).await.oauth_error(401, "invalid_client");
    assert_eq!(connection.send(request(&setup.assertion(&new, "ES256"))).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_key_set_keeps_the_last_keys() {
    let ec = SigningKey::p256();
    let good = json!({ "keys": [key(&ec, &json!({ "kid": "1" }))] });
    let published = Published::start(&good).await;
    let setup = published.setup().await;
    for (status, body, why) in [
        (StatusCode::NOT_FOUND, String::new(), "404 Not Found"),
        (StatusCode::OK, "<html>".to_owned(), "not a JSON object"),
        (
            StatusCode::OK,
            json!({ "keys": [key(&ec, &json!({ "use": "enc" }))] }).to_string(),
            "no key that can verify",
        ),
        (StatusCode::OK, json!({ "keys": vec![ec.jwk(); 17] }).to_string(), "17 keys"),
        (StatusCode::OK, json!({ "keys": [ec.jwk(), { "kty": "oct", "k": "AA" }] }).to_string(), "symmetric"),
        (StatusCode::OK, json!({ "keys": [key(&ec, &json!({ "d": "AA" }))] }).to_string(), "private key"),
    ] {
        published.answer(status, &body);
        setup.edge.wait_for_log(why);
        setup.passes(&setup.assertion(&ec, "ES256")).await;
        let cached = std::fs::read_to_string(setup.edge.folder.path().join(FILE)).unwrap();
        assert_eq!(cached, good.to_string(), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_key_set_revokes_all_keys() {
    let ec = SigningKey::p256();
    let published = Published::start(&json!({ "keys": [key(&ec, &json!({ "kid": "1" }))] })).await;
    let setup = published.setup().await;
    setup.passes(&setup.assertion(&ec, "ES256")).await;
    published.answer(StatusCode::OK, &json!({ "keys": [] }).to_string());
    setup.edge.wait_for_log("\"reloaded\",\"generation\":2");
    let (description, reason) = setup.refuses(&setup.assertion(&ec, "ES256")).await;
    assert_eq!(description, GENERIC);
    assert!(reason.ends_with("its key set has no keys"), "{reason}");
    let problem = status(&setup.edge, "").await["health"]["problems"][0].clone();
    assert_eq!((&problem["code"], &problem["level"]), (&"key_set_missing".into(), &"degraded".into()));
    let what = problem["what"].as_str().unwrap();
    assert!(what.contains(&format!("{CLIENT:?}")) && what.ends_with("/jwks.json has no keys"), "{what}");
    published.answer(StatusCode::OK, &json!({ "keys": [ec.jwk()] }).to_string());
    setup.edge.wait_for_log("\"reloaded\",\"generation\":3");
    setup.passes(&setup.assertion(&ec, "ES256")).await;
    assert_eq!(status(&setup.edge, "").await["health"]["state"], "healthy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_key_every_assertion_is_refused() {
    let ec = SigningKey::p256();
    let published = Published::start(&json!({})).await;
    published.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    let setup = published.setup().await;
    let (description, reason) = setup.refuses(&setup.assertion(&ec, "ES256")).await;
    assert!(reason.ends_with("its key set has not been fetched yet"), "{reason}");
    // Without keys nobody can prove to be the client: others who name it, or a client that is unknown, read the same.
    assert!(description.ends_with("this server may lack the client's current keys: ask its operator"));
    assert_eq!(setup.refuses(&setup.assertion(&SigningKey::p256(), "ES256")).await.0, description);
    let unknown = setup.claims(&json!({ "iss": "unknown", "sub": "unknown" }));
    let unknown = request_as("unknown", &ec.token(&json!({ "alg": "ES256" }), &unknown));
    assert_eq!(setup.refuses_request(unknown).await.0, description);
    // Nothing claims that there is one.
    let line = setup.edge.wait_for_log("\"key set fetch failed, and none is cached\"");
    assert!(line.contains("refused until it has been fetched") && line.contains("503"), "{line}");
    assert!(!setup.edge.log().contains("keeping the cached"), "{line}");
    let missing = status(&setup.edge, "").await;
    let problem = &missing["health"]["problems"][0];
    assert_eq!((&problem["code"], &problem["level"]), (&"key_set_missing".into(), &"degraded".into()));
    assert!(problem["at"].is_string(), "{problem}");
    assert!(problem["what"].as_str().unwrap().contains(&format!("{CLIENT:?}")), "{problem}");
    assert_eq!(missing["health"]["problems"][1]["code"], "fetch_failing", "{missing}");
    published.answer(StatusCode::OK, &json!({ "keys": [ec.jwk()] }).to_string());
    setup.edge.wait_for_log("\"reloaded\",\"generation\":2");
    setup.passes(&setup.assertion(&ec, "ES256")).await;
    happens(async || status(&setup.edge, "").await["health"]["state"] == "healthy").await;
}
