//! What the page of `/status` is made of: selected and ordered applications, and the traffic of the last minutes.

use serde_json::Value;

use crate::support::{
    Ca, Client, EdgeBuilder, Upstream,
    admin::{exchange, get, happens, status},
    certificates::{self_signed_with, time_from_now},
    edge_before,
};

const DAY: i64 = 86_400;

/// The `client_id` of each application in the document.
fn ids(status: &Value) -> Vec<&str> {
    let list = status["applications"]["list"].as_array().unwrap();
    list.iter().map(|application| application["client_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn applications_are_selected_and_ordered() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Client CA");
    let ends_in =
        |days: i64| self_signed_with("app", |params| params.not_after = time_from_now(days * DAY + 3600));
    let mut builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0").trust("ca", &ca.pem());
    for (name, days) in [("past", -1), ("soon", 10), ("later", 300)] {
        builder = builder.file(&format!("{name}.pem"), ends_in(days).chain_pem());
    }
    let method = "self_signed_tls_client_auth";
    let files =
        |names: &[&str]| names.iter().map(|name| format!("certificate = \"{name}.pem\"")).collect::<Vec<_>>();
    let edge = builder
        .application("a-later", method, &files(&["later"]))
        .application("b-rotated", method, &files(&["past", "soon"]))
        .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
        .start();
    let payments = ca.issue("payments", |params| params.not_after = time_from_now(20 * DAY + 3600));
    assert_eq!(Client::with(&edge, &payments).token("payments").await.status, 200);
    for (query, expected) in [
        ("", &["a-later", "b-rotated", "payments"][..]),
        ("?sort=-client_id", &["payments", "b-rotated", "a-later"]),
        ("?sort=expires", &["b-rotated", "payments", "a-later"]),
        ("?sort=-expires", &["a-later", "payments", "b-rotated"]),
        // Those that were not used are last in either order.
        ("?sort=last_used", &["payments", "a-later", "b-rotated"]),
        ("?sort=-last_used", &["payments", "a-later", "b-rotated"]),
        ("?sort=-method", &["payments", "a-later", "b-rotated"]),
        ("?state=expired", &["b-rotated"]),
        ("?state=expiring", &["b-rotated", "payments"]),
        ("?state=unused&sort=expires", &["b-rotated", "a-later"]),
        ("?method=tls_client_auth", &["payments"]),
        ("?q=LATER&state=&method=&sort=", &["a-later"]),
        ("?state=unused&method=tls_client_auth", &[]),
    ] {
        let found = status(&edge, query).await;
        assert_eq!(
            (ids(&found), &found["applications"]["total"]),
            (expected.to_vec(), &expected.len().into()),
            "{query}"
        );
    }
    for wrong in ["state=old", "method=mtls", "sort=age"] {
        assert_eq!(get(&edge, &format!("/status?{wrong}")).await.0, 400, "{wrong}");
    }
    let (_, page) = exchange(&edge, "/status?state=expired&sort=expires", "text/html").await;
    for part in [
        "<option selected>expired</option>",
        "<th scope=\"col\" aria-sort=\"ascending\"><a href=\"/status?state=expired&amp;sort=-expires\" data-list>expires</a>",
        "<td class=\"degraded\">expired</td>",
        "name=\"sort\" type=\"hidden\" value=\"expires\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    edge.stop();
}

#[tokio::test]
async fn the_traffic_of_the_last_minutes_is_served() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge_before(upstream.url(), "");
    let history = async || serde_json::from_str::<Value>(&get(&edge, "/status/history").await.1).unwrap();
    let client = Client::with(&edge, &client);
    for _ in 0..3 {
        assert_eq!(client.token("billing").await.status, 200);
        assert_eq!(client.token("somebody-else").await.status, 401);
    }
    let last = |history: &Value, list: &str, name: &str| {
        let lines = history[list].as_array().unwrap();
        let line = lines.iter().find(|line| line["name"] == name);
        line.and_then(|line| line["values"].as_array()?.last()?.as_f64()).unwrap_or_default()
    };
    happens(async || {
        let history = history().await;
        last(&history, "requests", "forwarded") > 0.0
            && last(&history, "requests", "unauthenticated") > 0.0
            && last(&history, "refusals", "unknown_client") > 0.0
            && history["p99_milliseconds"].as_array().unwrap().iter().any(Value::is_number)
    })
    .await;
    let history = history().await;
    assert_eq!((&history["interval_seconds"], history["refusals"].as_array().unwrap().len()), (&5.into(), 1));
    let (head, page) = exchange(&edge, "/status", "text/html").await;
    assert!(page.contains("traffic by minute") && page.contains("id=\"chart-latency\""), "{head} {page}");
    edge.stop();
}
