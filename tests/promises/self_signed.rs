//! RFC 8705 section 2.2: the very certificate that is registered, and nobody without its key.

use crate::support::{Client, EdgeBuilder, Upstream, self_signed};

#[tokio::test]
async fn a_registered_certificate_passes_and_another_of_the_same_name_does_not() {
    let upstream = Upstream::start().await;
    let (registered, other) = (self_signed("billing"), self_signed("billing"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();

    let answer = Client::with(&edge, &registered).token("billing").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = upstream.last();
    assert_eq!(seen.header("client-certificate-ca-verified"), "FAILED:self signed certificate");
    assert_eq!(seen.body, "grant_type=client_credentials&client_id=billing");

    let answer = Client::with(&edge, &other).http2().token("billing").await;
    answer.oauth_error(401, "invalid_client");
    assert_eq!(upstream.seen().len(), 1);
    edge.stop();
}
