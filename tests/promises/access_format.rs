//! The operator's own format of access log lines.

use crate::support::{Client, EdgeBuilder, Upstream, command::text, self_signed, with_client};

#[tokio::test]
async fn requests_are_logged_in_the_operators_format() {
    let upstream = Upstream::start().await;
    let format = r#"access_format = 'own|{client_ip}|"{method} {path}"|{status}|{client_id}|{code}|{subject}|{tls_version}'"#;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).log(format));
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    edge.wait_for_log("own|127.0.0.1|\"POST /oauth/token\"|200|billing|-|CN=billing,O=Example Bank,C=DE|1.3");
    // What a client sends stays within its quotes.
    assert_eq!(Client::with(&edge, &client).token("b%22own").await.status, 401);
    edge.wait_for_log("|401|b\\\"own|");
    let log = edge.stop();
    assert!(!log.contains("\"message\":\"request\""), "{log}");
    assert!(log.contains("\"message\":\"started\""), "the other lines keep the format: {log}");
}

#[tokio::test]
async fn the_common_log_format_has_a_name() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).log("access_format = \"common\""));
    let answer = Client::with(&edge, &client).token("billing").await;
    let line = edge.wait_for_log("127.0.0.1 - billing [");
    let end = format!("] \"POST /oauth/token HTTP/1.1\" 200 {}", answer.body.len());
    assert!(line.ends_with(&end) && line.contains(" +0000]"), "{line}");
}

#[test]
fn a_format_with_an_unknown_field_is_refused() {
    let edge = EdgeBuilder::new("http://127.0.0.1:1")
        .usual_domain("auth0")
        .self_signed_application("a", &[self_signed("a").thumbprint()])
        .log("access_format = \"{client_id} {stauts}\"");
    let output = edge.output("check");
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let expected = "error: log.access_format: found \"stauts\", expected the name of a field\n";
    assert!(printed.contains(expected) && printed.contains("did you mean \"status\"?"), "{printed}");
}
