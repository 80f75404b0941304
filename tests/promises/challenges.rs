//! A refusal of a request with `Authorization` has a challenge of its scheme; other refusals have none.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::support::{Client, EdgeBuilder, Upstream, client::token_request, self_signed, with_client};

fn post(authorization: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post("/oauth/token")
        .header("authorization", authorization)
        .header("content-type", "application/x-www-form-urlencoded");
    request.body(Full::from(body)).unwrap()
}

fn basic(id: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:")))
}

#[tokio::test]
async fn a_refusal_challenges_requests_with_authorization() {
    let upstream = Upstream::start().await;
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()));
    let stranger = Client::with(&edge, &self_signed("stranger"));
    for client in [stranger.clone(), stranger.http2()] {
        for (authorization, scheme) in [
            (basic("billing"), "Basic realm=\"mtls.example.test\", charset=\"UTF-8\""),
            ("bearer abc".to_owned(), "Bearer realm=\"mtls.example.test\""),
            ("DPoP abc".to_owned(), "DPoP realm=\"mtls.example.test\""),
        ] {
            let body = if authorization.starts_with("Basic") { "" } else { "client_id=billing" };
            let answer = client.connect().await.send(post(&authorization, body)).await;
            let description = answer.oauth_error(401, "invalid_client");
            let expected = format!("{scheme}, error=\"invalid_client\", error_description=\"{description}\"");
            assert_eq!(answer.headers["www-authenticate"], expected);
        }
        // HTTP has no authentication scheme for certificates.
        let answer = client.connect().await.send(token_request("billing")).await;
        answer.oauth_error(401, "invalid_client");
        assert!(!answer.headers.contains_key("www-authenticate"));
    }
    // Other refusals are not about credentials.
    let request =
        Request::get("/none").header("authorization", basic("billing")).body(Full::<Bytes>::default());
    let answer = Client::with(&edge, &self_signed("another")).connect().await.send(request.unwrap()).await;
    answer.oauth_error(404, "invalid_request");
    assert!(!answer.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn a_basic_id_that_decodes_to_another_is_explained() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    for (id, is_told) in [("bil+ling", true), ("bil%2Dling", true), ("bil-ling", false)] {
        let answer = client.connect().await.send(post(&basic(id), "")).await;
        let description = answer.oauth_error(401, "invalid_client");
        assert_eq!(
            description.contains("form-encoded (RFC 6749, section 2.3.1)"),
            is_told,
            "{id}: {description}"
        );
    }
    // The upstream's own challenges are forwarded, and a valid request is served.
    assert_eq!(client.connect().await.send(post(&basic("billing"), "")).await.status, 200);
}
