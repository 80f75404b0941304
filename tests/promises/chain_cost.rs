//! A chain to an unknown CA: refused, cached, and accepted as soon as the CA is trusted.

use rcgen::{CertificateParams, CustomExtension};

use crate::support::{Ca, Client, EdgeBuilder, Upstream, certificates::ring, passes, refused};

const DN: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";

/// Unknown extensions, some 6 KB.
fn large(p: &mut CertificateParams) {
    p.custom_extensions = (0..350_u64)
        .map(|number| CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, number], vec![5, 0]))
        .collect();
}

#[tokio::test]
async fn a_ring_of_cas_is_refused_until_one_of_them_is_trusted() {
    let upstream = Upstream::start().await;
    let (trusted, (ring_ca, ring)) = (Ca::new("Client CA"), ring("Ring CA", 9, large));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("client-ca", &trusted.pem())
        .ca_application("payments", DN)
        .start();
    let stranger = ring_ca.issue("payments", |_| {}).with_chain(&ring);
    let client = Client::with(&edge, &stranger).http2();
    let reason = refused(&edge, &client, &upstream, "payments").await.generic_refusal_reason();
    assert!(reason.contains("no client CA is found for the issuer \"CN=Ring CA\""), "{reason}");
    passes(&Client::with(&edge, &trusted.issue("payments", |_| {})), &upstream, "payments").await;

    // Connections from before and after the change are judged by the current trust.
    edge.reload("client-ca.pem", &(trusted.pem() + &ring_ca.pem()));
    passes(&client, &upstream, "payments").await;
    edge.reload("client-ca.pem", &trusted.pem());
    refused(&edge, &client, &upstream, "payments").await;
    edge.stop();
}

#[tokio::test]
async fn a_ring_in_the_name_of_a_client_ca_is_refused() {
    let upstream = Upstream::start().await;
    let (trusted, (ring_ca, ring)) = (Ca::new("Client CA"), ring("Client CA", 9, large));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("client-ca", &trusted.pem())
        .ca_application("payments", DN)
        .start();
    let stranger = ring_ca.issue("payments", |_| {}).with_chain(&ring);
    let reason = refused(&edge, &Client::with(&edge, &stranger), &upstream, "payments").await;
    assert!(reason.generic_refusal_reason().contains("a known CA has the name, but another key"));
    edge.stop();
}

#[tokio::test]
async fn a_wrong_subject_is_refused_before_chain_building() {
    let upstream = Upstream::start().await;
    let trusted = Ca::new("Client CA");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("client-ca", &trusted.pem())
        .ca_application("payments", DN)
        .start();
    let stranger = Ca::new("Other CA").issue("orders", |_| {});
    let reason = refused(&edge, &Client::with(&edge, &stranger), &upstream, "payments").await;
    let reason = reason.generic_refusal_reason();
    assert!(reason.starts_with("subject DN is not the one registered for \"payments\""), "{reason}");
    edge.stop();
}
