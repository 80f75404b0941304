//! `expires_at` of a credential: in force from that second on, on every connection; shown beforehand, and logged in time.

use std::process::Output;

use mtls_edge::{clock::Timestamp, identity::Thumbprint};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::jws::SigningKey;
use time::OffsetDateTime;

use crate::support::{
    Ca, Client, DOMAIN, Edge, EdgeBuilder, Upstream,
    admin::{self, exchange, metric, status},
    certificates::{self_signed_with, time_from_now},
    client::token_request,
    program, self_signed,
};

const DAY: i64 = 86_400;
const BY_THUMBPRINT: &str = "self_signed_tls_client_auth";
const ISSUER: &str = "https://auth.example.test/";
const SECRET: &str = "correct horse battery staple";

/// A time as it is written in TOML.
fn written(time: OffsetDateTime) -> String {
    Timestamp::from(time).to_string()
}

/// A credential by thumbprint that expires.
fn expiring(thumbprint: &str, end: OffsetDateTime) -> String {
    format!("thumbprint = \"{thumbprint}\"\nexpires_at = {}", written(end))
}

/// The warnings that have been logged, each as an object.
fn warnings(edge: &Edge) -> Vec<serde_json::Value> {
    let log = edge.log();
    let lines = log.lines().filter(|line| line.contains("\"credential expires soon\""));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn expires_at_holds_from_its_second_on_open_connections() {
    let upstream = Upstream::start().await;
    let (first, second) = (self_signed("billing"), self_signed("billing"));
    let end = time_from_now(600);
    let mut edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .application(
            "billing",
            BY_THUMBPRINT,
            &[expiring(&first.thumbprint(), end), format!("thumbprint = \"{}\"", second.thumbprint())],
        )
        .clock(time_from_now(0))
        .start();
    let mut kept_alive = Client::with(&edge, &first).connect().await;
    let mut http2 = Client::with(&edge, &first).http2().connect().await;
    let resuming = Client::with(&edge, &first).resuming();
    for time in [None, Some(end - time::Duration::SECOND)] {
        if let Some(time) = time {
            edge.set_clock(time);
        }
        assert_eq!(kept_alive.token("billing").await.status, 200);
        assert_eq!(http2.token("billing").await.status, 200);
        assert_eq!(resuming.token("billing").await.status, 200);
    }
    edge.set_clock(end);
    for connection in [&mut kept_alive, &mut http2] {
        let answer = connection.token("billing").await;
        let description = answer.oauth_error(401, "invalid_client");
        assert!(description.contains("the credential has expired"), "{description}");
        let line = edge.log_of(&answer);
        assert!(line.to_string().contains(&format!("expires_at {}", written(end))), "{line}");
    }
    let mut resumed = resuming.connect().await;
    assert!(resumed.resumed);
    resumed.token("billing").await.oauth_error(401, "invalid_client");
    Client::with(&edge, &first).token("billing").await.oauth_error(401, "invalid_client");
    assert_eq!(Client::with(&edge, &second).token("billing").await.status, 200, "its successor");
    admin::assert_counted(&edge, "credential_expired").await;
    edge.stop();
}

#[tokio::test]
async fn a_reload_extends_expires_at() {
    let upstream = Upstream::start().await;
    let client = self_signed("billing");
    let end = time_from_now(600);
    let mut edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .application("billing", BY_THUMBPRINT, &[expiring(&client.thumbprint(), end)])
        .clock(end)
        .start();
    let mut connection = Client::with(&edge, &client).connect().await;
    connection.token("billing").await.oauth_error(401, "invalid_client");
    let text = std::fs::read_to_string(edge.folder.path().join("applications.toml")).unwrap();
    let later = end + time::Duration::SECOND;
    edge.reload("applications.toml", &text.replace(&written(end), &written(later)));
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    edge.set_clock(later);
    Client::with(&edge, &client).token("billing").await.oauth_error(401, "invalid_client");
    edge.stop();
}

#[tokio::test]
async fn expires_at_ends_a_subject_and_any_certificate_route() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Client CA");
    let payments = ca.issue("payments", |_| {});
    let end = time_from_now(600);
    let subject = format!("subject_dn = \"CN=payments,O=Example Bank,C=DE\"\nexpires_at = {}", written(end));
    let routes = "[[domain.route]]\n[[domain.route]]\npath = \"/any\"\nmethods = [\"GET\"]\nauthenticate = \"certificate\"";
    let mut edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, routes)
        .trust("ca", &ca.pem())
        .application("payments", "tls_client_auth", &[subject])
        .clock(time_from_now(0))
        .start();
    let mut connection = Client::with(&edge, &payments).connect().await;
    let any = || http::Request::get("/any").body(http_body_util::Full::<bytes::Bytes>::default()).unwrap();
    assert_eq!(connection.token("payments").await.status, 200);
    assert_eq!(connection.send(any()).await.status, 200);
    edge.set_clock(end);
    connection.token("payments").await.oauth_error(401, "invalid_client");
    Client::with(&edge, &payments).connect().await.send(any()).await.oauth_error(401, "invalid_client");
    edge.stop();
}

#[tokio::test]
async fn expires_at_ends_a_secret() {
    let upstream = Upstream::start().await;
    let end = time_from_now(600);
    let hash = Thumbprint::from_bytes(Sha256::digest(SECRET).into());
    let mut edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, "client_auth = \"optional\"\n[[domain.route]]")
        .application(
            "reports",
            "client_secret_post",
            &[format!("secret_sha256 = \"{hash}\"\nexpires_at = {}", written(end))],
        )
        .clock(time_from_now(0))
        .start();
    let request = || {
        let body = format!(
            "grant_type=client_credentials&client_id=reports&client_secret={}",
            SECRET.replace(' ', "+")
        );
        token_request("reports").map(|_| http_body_util::Full::from(body))
    };
    let mut connection = Client::new(&edge).connect().await;
    assert_eq!(connection.send(request()).await.status, 200);
    edge.set_clock(end);
    connection.send(request()).await.oauth_error(401, "invalid_client");
    edge.stop();
}

/// A token that is signed at this time, for a minute.
fn signed(key: &SigningKey, header: &Value, at: OffsetDateTime, claims: &Value) -> String {
    let at = at.unix_timestamp();
    let mut all = json!({ "iss": "reports", "aud": ISSUER, "iat": at, "exp": at + 60 });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    key.token(header, &all)
}

#[tokio::test]
async fn expires_at_ends_a_key_of_assertions() {
    let upstream = Upstream::start().await;
    let (first, second) = (SigningKey::ed25519(), SigningKey::ed25519());
    let (start, end) = (time_from_now(0), time_from_now(600));
    let mut edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, &format!("client_auth = \"optional\"\nissuer = \"{ISSUER}\"\n[[domain.route]]"))
        .file("first.pem", first.public_pem())
        .file("second.pem", second.public_pem())
        .application(
            "reports",
            "private_key_jwt",
            &[
                format!("public_key = \"first.pem\"\nalg = \"EdDSA\"\nexpires_at = {}", written(end)),
                "public_key = \"second.pem\"\nalg = \"EdDSA\"".to_owned(),
            ],
        )
        .clock(start)
        .start();
    let request = |key: &SigningKey, at: OffsetDateTime, jti: &str| {
        let assertion = signed(key, &json!({ "alg": "EdDSA" }), at, &json!({ "sub": "reports", "jti": jti }));
        let body = format!(
            "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
        );
        token_request("reports").map(|_| http_body_util::Full::from(body))
    };
    let mut connection = Client::new(&edge).connect().await;
    assert_eq!(connection.send(request(&first, start, "1")).await.status, 200);
    let last = end - time::Duration::SECOND;
    edge.set_clock(last);
    assert_eq!(connection.send(request(&first, last, "2")).await.status, 200);
    edge.set_clock(end);
    connection.send(request(&first, end, "3")).await.oauth_error(401, "invalid_client");
    // One that was made before does not outlive its key.
    connection.send(request(&first, last, "4")).await.oauth_error(401, "invalid_client");
    assert_eq!(connection.send(request(&second, end, "5")).await.status, 200);
    edge.stop();
}

#[tokio::test]
async fn expires_at_ends_a_request_key() {
    let upstream = Upstream::start().await;
    let key = SigningKey::p256();
    let (start, end) = (time_from_now(0), time_from_now(600));
    let routes = "[[domain.route]]\npath = \"/authorize\"\nmethods = [\"GET\"]\nauthenticate = \"none\"\nsigned_request = \"require\"";
    let credential = format!("thumbprint = \"{}\"", self_signed("reports").thumbprint());
    let request_key = format!(
        "[[application.request_key]]\nname = \"jar\"\npublic_key = \"jar.pem\"\nalg = \"ES256\"\nexpires_at = {}",
        written(end)
    );
    let mut edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, &format!("client_auth = \"optional\"\nissuer = \"{ISSUER}\"\n{routes}"))
        .file("jar.pem", key.public_pem())
        .application("reports", BY_THUMBPRINT, &[format!("{credential}\n{request_key}")])
        .clock(start)
        .start();
    let request = |at: OffsetDateTime| {
        let header = json!({ "alg": "ES256", "typ": "oauth-authz-req+jwt" });
        let object = signed(&key, &header, at, &json!({ "client_id": "reports", "response_type": "code" }));
        let target = format!("/authorize?client_id=reports&request={object}");
        http::Request::get(target).body(http_body_util::Full::<bytes::Bytes>::default()).unwrap()
    };
    let mut connection = Client::new(&edge).connect().await;
    assert_eq!(connection.send(request(start)).await.status, 200);
    let document = status(&edge, "").await;
    let shown = &document["applications"]["list"][0]["request_keys"][0];
    assert_eq!((&shown["name"], &shown["expires_at"]), (&"jar".into(), &written(end).as_str().into()));
    assert!(shown["last_used"].is_string(), "{shown}");
    edge.set_clock(end);
    connection.send(request(end)).await.oauth_error(400, "invalid_request_object");
    // It is warned of as other credentials are.
    edge.wait_for_logs("\"credential expires soon\"", 1);
    let all = warnings(&edge);
    assert_eq!((all.len(), &all[0]["table"]), (1, &"application.request_key".into()), "{all:#?}");
    edge.stop();
}

#[tokio::test]
async fn status_and_metrics_show_expires_at() {
    let upstream = Upstream::start().await;
    let not_after = time_from_now(10 * DAY);
    let billing = self_signed_with("billing", |params| params.not_after = not_after);
    let end = time_from_now(5 * DAY);
    let mut edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .file("billing.pem", billing.chain_pem())
        .application(
            "billing",
            BY_THUMBPRINT,
            &[format!("certificate = \"billing.pem\"\nexpires_at = {}", written(end))],
        )
        .clock(time_from_now(0))
        .start();
    let document = status(&edge, "").await;
    let credential = &document["applications"]["list"][0]["credentials"][0];
    assert_eq!(credential["expires_at"], written(end));
    assert_eq!(credential["not_after"], written(not_after).as_str(), "{credential}");
    assert!(matches!(credential["days_left"].as_i64(), Some(4 | 5)), "{credential}");
    let expiring = &document["expiring"]["list"][0];
    assert_eq!((&expiring["what"], &expiring["name"]), (&"credential".into(), &"billing/c0".into()));
    let (_, page) = exchange(&edge, "/status", "text/html").await;
    assert!(page.contains(&format!("title=\"{}\"", written(end))), "{page}");
    let Output { stdout, .. } =
        program().args(["status", "--admin", &edge.admin.to_string()]).output().unwrap();
    let table = String::from_utf8(stdout).unwrap();
    assert!(table.contains(&written(end)), "{table}");
    let soonest = metric(&edge, "mtls_edge_credential_soonest_expiry_seconds").await;
    assert!((5 * DAY - 60..=5 * DAY).contains(&soonest), "{soonest}");
    assert_eq!(metric(&edge, "mtls_edge_credentials_expired").await, 0);
    edge.set_clock(end);
    assert_eq!(metric(&edge, "mtls_edge_credentials_expired").await, 1);
    let (_, metrics) = admin::get(&edge, "/metrics").await;
    assert!(!metrics.contains("\nmtls_edge_credential_soonest_expiry_seconds"), "{metrics}");
    edge.stop();
}

#[tokio::test]
async fn a_warning_is_logged_30_14_7_and_1_days_before() {
    let upstream = Upstream::start().await;
    let (first, second) = (self_signed("billing"), self_signed("billing"));
    let start = time_from_now(0);
    let end = start + time::Duration::days(40);
    let mut edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .application("billing", BY_THUMBPRINT, &[expiring(&first.thumbprint(), end)])
        .clock(start)
        .start();
    for (number, days) in [30, 14, 7, 1].into_iter().enumerate() {
        let at = end - time::Duration::days(days);
        edge.set_clock(at - time::Duration::SECOND);
        // A reload makes the edge read all credentials, before the time and twice after it.
        let file = std::fs::read_to_string(edge.folder.path().join("applications.toml")).unwrap();
        edge.reload("applications.toml", &format!("{file}\n# {days}"));
        edge.set_clock(at);
        edge.wait_for_logs("\"credential expires soon\"", number + 1);
        let all = warnings(&edge);
        let last = all.last().unwrap();
        assert_eq!(all.len(), number + 1, "{all:#?}");
        assert_eq!(last["level"], "WARN");
        assert_eq!((&last["client_id"], &last["credential"]), (&"billing".into(), &"c0".into()));
        assert_eq!((&last["days_left"], &last["expires"]), (&days.into(), &written(end).as_str().into()));
        assert_eq!(
            (&last["table"], &last["ends_by"]),
            (&"application.credential".into(), &"expires_at".into())
        );
        assert!(last["help"].as_str().unwrap().contains("register the successor"), "{last}");
    }
    // A successor changes what to do, but its registration repeats nothing.
    let file = std::fs::read_to_string(edge.folder.path().join("applications.toml")).unwrap();
    let successor = format!(
        "[[application.credential]]\nname = \"next\"\n{}\n",
        expiring(&second.thumbprint(), end + time::Duration::days(20))
    );
    edge.reload("applications.toml", &format!("{file}\n{successor}"));
    edge.wait_for_logs("\"credential expires soon\"", 5);
    let all = warnings(&edge);
    assert_eq!((all.len(), &all[4]["credential"]), (5, &"next".into()), "{all:#?}");
    edge.stop();
}

#[tokio::test]
async fn an_edge_that_starts_late_warns_once() {
    let upstream = Upstream::start().await;
    let start = time_from_now(0);
    let by_certificate = self_signed_with("ledger", |params| params.not_after = time_from_now(6 * DAY));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .file("ledger.pem", by_certificate.chain_pem())
        .application(
            "billing",
            BY_THUMBPRINT,
            &[
                expiring(&self_signed("billing").thumbprint(), start + time::Duration::days(10)),
                expiring(&self_signed("billing").thumbprint(), start + time::Duration::days(90)),
            ],
        )
        .application("ledger", BY_THUMBPRINT, &["certificate = \"ledger.pem\"".to_owned()])
        .clock(start)
        .start();
    edge.wait_for_logs("\"credential expires soon\"", 2);
    let all = warnings(&edge);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert_eq!((&all[0]["client_id"], &all[0]["ends_by"]), (&"ledger".into(), &"certificate".into()));
    assert_eq!((&all[1]["client_id"], &all[1]["days_left"]), (&"billing".into(), &10.into()));
    assert_eq!(all[1]["help"], "let the application switch to \"c1\", and then remove this one");
    edge.stop();
}

#[tokio::test]
async fn a_used_thumbprint_is_warned_of_by_its_certificate() {
    let upstream = Upstream::start().await;
    let client = self_signed_with("billing", |params| params.not_after = time_from_now(12 * DAY));
    let mut edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[client.thumbprint()])
        .clock(time_from_now(0))
        .start();
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    // At the latest after an hour.
    edge.set_clock(time_from_now(3600));
    let line = edge.wait_for_log("\"credential expires soon\"");
    assert!(
        line.contains("\"ends_by\":\"certificate\"") && line.contains("\"client_id\":\"billing\""),
        "{line}"
    );
    edge.stop();
}
