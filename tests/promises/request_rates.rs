//! Requests per second of an address and of an application: what is beyond is 429, and nobody uses up another's share.

use crate::support::{Answer, Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream, admin, self_signed};

/// Sends requests on connections of their own, hence to all workers, until one is refused; the number of those before it.
async fn until_refused(client: &Client, client_id: &str) -> (usize, Answer) {
    for sent in 0..100 {
        let answer = client.token(client_id).await;
        if answer.status != 200 {
            return (sent, answer);
        }
    }
    panic!("none is refused");
}

async fn assert_is_429(edge: &Edge, answer: &Answer, code: &str) {
    answer.oauth_error(429, "temporarily_unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(edge.log_of(answer)["code"], code);
    admin::assert_counted(edge, code).await;
}

fn two_applications(upstream: &Upstream, limits: &str) -> (Edge, Credentials, Credentials) {
    let (billing, reports) = (self_signed("billing"), self_signed("reports"));
    let edge = EdgeBuilder::new(upstream.url())
        .limits(limits)
        .usual_domain("auth0")
        .self_signed_application("billing", &[billing.thumbprint()])
        .self_signed_application("reports", &[reports.thumbprint()])
        .start();
    (edge, billing, reports)
}

#[tokio::test]
async fn an_address_beyond_its_rate_gets_429() {
    let upstream = Upstream::start().await;
    let limits = "requests_per_second_per_address = 1\nrequest_burst = \"5s\"";
    let (edge, billing, reports) = two_applications(&upstream, limits);
    let client = Client::with(&edge, &billing);
    let (sent, answer) = until_refused(&client, "billing").await;
    assert!((5..50).contains(&sent), "{sent}");
    assert_is_429(&edge, &answer, "address_rate").await;
    // Another application with this address is refused, too, and each address has its own rate.
    assert_is_429(&edge, &Client::with(&edge, &reports).token("reports").await, "address_rate").await;
    for _ in 0..5 {
        assert_eq!(client.clone().from("127.0.0.2").http2().token("billing").await.status, 200);
    }
    // Requests of strangers count.
    let stranger = Client::with(&edge, &self_signed("x")).from("127.0.0.3");
    let mut last = stranger.token("billing").await;
    for _ in 0..50 {
        if last.status == 429 {
            break;
        }
        assert_eq!(last.status, 401);
        last = stranger.token("billing").await;
    }
    assert_is_429(&edge, &last, "address_rate").await;
    // The connection stays open.
    let mut kept = client.connect().await;
    while kept.token("billing").await.status != 429 {}
    while kept.token("billing").await.status != 200 {}
}

#[tokio::test]
async fn an_application_beyond_its_rate_gets_429() {
    let upstream = Upstream::start().await;
    let limits = "requests_per_second_per_application = 1\nrequest_burst = \"5s\"";
    let (edge, billing, reports) = two_applications(&upstream, limits);
    // Those who cannot authenticate do not use up its share.
    for _ in 0..20 {
        assert_eq!(Client::with(&edge, &reports).token("billing").await.status, 401);
    }
    let client = Client::with(&edge, &billing);
    let (sent, answer) = until_refused(&client, "billing").await;
    assert!((5..50).contains(&sent), "{sent}");
    assert_is_429(&edge, &answer, "application_rate").await;
    assert_eq!(edge.log_of(&answer)["client_id"], "billing");
    // From no address, but another application is served.
    while client.clone().from("127.0.0.2").token("billing").await.status != 429 {}
    assert_eq!(Client::with(&edge, &reports).token("reports").await.status, 200);
}

#[tokio::test]
async fn an_application_may_have_a_rate_of_its_own() {
    let upstream = Upstream::start().await;
    let (edge, billing, reports) = two_applications(&upstream, "request_burst = \"5s\"");
    for _ in 0..20 {
        assert_eq!(Client::with(&edge, &billing).token("billing").await.status, 200);
    }
    let text = std::fs::read_to_string(edge.folder.path().join("applications.toml")).unwrap();
    edge.reload(
        "applications.toml",
        &text.replace("client_id = \"billing\"", "client_id = \"billing\"\nrequests_per_second = 1"),
    );
    let (sent, answer) = until_refused(&Client::with(&edge, &billing), "billing").await;
    assert!((5..50).contains(&sent), "{sent}");
    assert_is_429(&edge, &answer, "application_rate").await;
    for _ in 0..20 {
        assert_eq!(Client::with(&edge, &reports).token("reports").await.status, 200);
    }
}

#[tokio::test]
async fn trusted_proxies_have_no_rate() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .listen("trusted_proxies = [\"127.0.0.1\"]")
        .limits("requests_per_second_per_address = 1\nrequest_burst = \"1s\"")
        .domain(DOMAIN, "[[domain.route]]\npath = \"/oauth/token\"\nmethods = [\"POST\"]")
        .self_signed_application("billing", &[billing.thumbprint()])
        .start();
    for _ in 0..20 {
        assert_eq!(Client::with(&edge, &billing).token("billing").await.status, 200);
    }
}
