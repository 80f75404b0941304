//! Which applications are refused, since when, and why: what an operator looks up when one of them complains.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Ca, Client, DOMAIN, Edge, EdgeBuilder, Upstream, admin, program, tool::openssl_sha256};

const SUBJECT: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";

/// The applications that were refused after they were last served.
async fn refused(edge: &Edge) -> Vec<Value> {
    let status = admin::status(edge, "").await;
    let list = status["refused"]["list"].as_array().unwrap().clone();
    assert_eq!(status["refused"]["total"], list.len());
    list
}

#[tokio::test]
async fn a_refused_application_is_listed_until_it_is_served() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Client CA");
    let now = time::OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
    let builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0").trust("ca", &ca.pem());
    let builder =
        builder.ca_application("payments", SUBJECT).ca_application("idle", "san_dns = \"idle.example\"");
    let mut edge = builder.clock(now).start();
    let payments = ca.issue("payments", |_| ());
    assert_eq!(Client::with(&edge, &payments).token("payments").await.status, 200);
    assert!(refused(&edge).await.is_empty());

    edge.set_clock(now + time::Duration::seconds(10));
    // The first is nobody's.
    for client_id in ["unknown", "idle", "idle"] {
        assert_eq!(Client::with(&edge, &payments).token(client_id).await.status, 401, "{client_id}");
    }
    let [idle] = refused(&edge).await.try_into().unwrap();
    let at = |seconds: i64| {
        json!(
            time::OffsetDateTime::from_unix_timestamp(now.unix_timestamp() + seconds)
                .unwrap()
                .format(&time::format_description::well_known::Rfc3339)
                .unwrap()
        )
    };
    let facts = json!({"client_id": "idle", "code": "subject_mismatch", "count": 2, "since": at(10), "last": at(10), "last_used": null});
    assert_eq!(idle, facts);

    // A wrong change: the application is refused from then on.
    let good = std::fs::read_to_string(edge.folder.path().join("applications.toml")).unwrap();
    edge.reload("applications.toml", &good.replace("CN=payments,", "CN=payment,"));
    edge.set_clock(now + time::Duration::seconds(20));
    for _ in 0..3 {
        assert_eq!(Client::with(&edge, &payments).token("payments").await.status, 401);
    }
    let [payments_facts, _] = refused(&edge).await.try_into().unwrap();
    assert_eq!((&payments_facts["client_id"], &payments_facts["count"]), (&json!("payments"), &json!(3)));
    let admin = edge.admin.to_string();
    let shown = program().args(["status", "--client-id", "payments", "--admin", &admin]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("refused since they were last served") && shown.contains("subject_mismatch"),
        "{shown}"
    );
    assert!(!shown.contains("idle"), "{shown}");
    let (_, page) = admin::exchange(&edge, "/status", "text/html").await;
    assert!(page.contains("refused since they were last served (2 in all)"), "{page}");

    edge.reload("applications.toml", &good);
    edge.set_clock(now + time::Duration::seconds(30));
    assert_eq!(Client::with(&edge, &payments).token("payments").await.status, 200);
    let [idle] = refused(&edge).await.try_into().unwrap();
    assert_eq!(idle, facts);
    edge.stop();
}

fn with_secret(client_id: &str, secret: &str) -> Request<Full<Bytes>> {
    Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(format!("client_id={client_id}&client_secret={secret}")))
        .unwrap()
}

#[tokio::test]
async fn what_is_refused_after_authentication_is_counted() {
    let upstream = Upstream::start().await;
    let registered = format!("secret_sha256 = \"{}\"", openssl_sha256("right"));
    let edge = EdgeBuilder::new(upstream.url())
        .limits("requests_per_second_per_application = 1\nrequest_burst = \"1s\"")
        .domain(DOMAIN, "client_auth = \"optional\"\n[[domain.route]]\npath = \"/oauth/token\"\nauthenticate = \"client\"")
        .application("billing", "client_secret_post", &[registered])
        .application("unverified", "client_secret_post", &[])
        .start();
    let client = Client::new(&edge);
    let mut in_turn = 0;
    while in_turn < 3 {
        match client.connect().await.send(with_secret("billing", "right")).await.status.as_u16() {
            200 => in_turn = 0,
            429 => in_turn += 1,
            other => panic!("{other}"),
        }
    }
    let [billing] = refused(&edge).await.try_into().unwrap();
    assert_eq!((&billing["code"], &billing["count"]), (&json!("application_rate"), &json!(3)), "{billing}");

    // No credential of this one can be used.
    assert_eq!(client.token("unverified").await.status, 401);
    let [_, _] = refused(&edge).await.try_into().unwrap();
    assert_eq!(client.connect().await.send(with_secret("unverified", "any")).await.status, 200);
    let [billing] = refused(&edge).await.try_into().unwrap();
    assert_eq!(billing["client_id"], "billing");
    edge.stop();
}
