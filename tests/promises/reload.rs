//! Trust that changes while the edge runs: changes apply soon and atomically.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Ca, Client, DOMAIN, EdgeBuilder, Upstream, self_signed};

#[tokio::test]
async fn a_removed_credential_is_refused_on_an_open_connection() {
    let upstream = Upstream::start().await;
    let (first, second) = (self_signed("billing"), self_signed("billing"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[first.thumbprint(), second.thumbprint()])
        .start();
    let mut connection = Client::with(&edge, &first).connect().await;
    assert_eq!(connection.token("billing").await.status, 200);

    let applications = edge.folder.path().join("applications.toml");
    let text = std::fs::read_to_string(&applications).unwrap();
    let credential =
        format!("[[application.credential]]\nname = \"c0\"\nthumbprint = \"{}\"\n", first.thumbprint());
    assert!(text.contains(&credential), "{text}");
    std::fs::write(&applications, text.replace(&credential, "")).unwrap();
    let line = edge.wait_for_log("\"reloaded\"");
    assert!(line.contains("removed credential billing/c0"), "{line}");

    connection.token("billing").await.oauth_error(401, "invalid_client");
    connection.closed().await;
    assert_eq!(Client::with(&edge, &second).token("billing").await.status, 200);
    edge.stop();
}

/// Cached facts of an application do not depend on other applications, and each request is judged by the current trust.
#[tokio::test]
async fn a_change_of_one_application_affects_no_other() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Client CA");
    let (payments, first, second) =
        (ca.issue("payments", |_| {}), self_signed("billing"), self_signed("billing"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
        .self_signed_application("billing", &[first.thumbprint()])
        .self_signed_application("invoices", &[second.thumbprint()])
        .start();
    let mut others = Client::with(&edge, &payments).connect().await;
    let mut connection = Client::with(&edge, &first).connect().await;
    assert_eq!(others.token("payments").await.status, 200);
    assert_eq!(connection.token("billing").await.status, 200);

    // Two applications exchange their certificates.
    let text = std::fs::read_to_string(edge.folder.path().join("applications.toml")).unwrap();
    let [one, other] = [first.thumbprint(), second.thumbprint()];
    let exchanged = text.replace(&one, "FIRST").replace(&other, &one).replace("FIRST", &other);
    edge.reload("applications.toml", &exchanged);

    assert_eq!(others.token("payments").await.status, 200);
    assert_eq!(upstream.last().header("client-certificate-ca-verified"), "SUCCESS");
    assert_eq!(connection.token("invoices").await.status, 200);
    connection.token("billing").await.oauth_error(401, "invalid_client");
    connection.closed().await;
    assert_eq!(Client::with(&edge, &second).token("billing").await.status, 200);
    edge.stop();
}

#[tokio::test]
async fn a_request_is_judged_when_its_body_is_complete() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[billing.thumbprint()])
        .start();
    let mut stream = Client::with(&edge, &billing).tls().await.unwrap();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: application/x-www-form-urlencoded\r\nexpect: 100-continue\r\ncontent-length: 17\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The edge sends 100 (Continue): the request has passed all earlier checks.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(interim, *b"HTTP/1.1 100 Continue\r\n\r\n");
    std::fs::write(edge.folder.path().join("applications.toml"), "# nobody\n").unwrap();
    edge.wait_for_log("\"reloaded\"");
    stream.write_all(b"client_id=billing").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
    assert!(upstream.seen().is_empty());
    edge.stop();
}

#[tokio::test]
async fn the_last_client_ca_can_be_removed() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Client CA");
    let payments = ca.issue("payments", |_| {});
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"\nca = \"ca.pem\"")
        .start();
    let mut connection = Client::with(&edge, &payments).connect().await;
    assert_eq!(connection.token("payments").await.status, 200);
    let text = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let named = "client_ca = [\"ca.pem\"]";
    assert!(text.contains(named), "{text}");
    // At the start this is an error, since no client could authenticate.
    edge.reload("edge.toml", &text.replace(named, "client_ca = []"));
    assert!(edge.log().contains("trust.client_ca: names no client CA"), "{}", edge.log());
    connection.token("payments").await.oauth_error(401, "invalid_client");
    edge.stop();
}
