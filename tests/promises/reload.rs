//! Trust that changes while the edge runs: what stands in the files is in force, whole, soon after.

use crate::support::{Client, EdgeBuilder, Upstream, self_signed};

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
