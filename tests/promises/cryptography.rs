//! What the TLS handshake offers.

use rustls::{CipherSuite, crypto::aws_lc_rs};

use crate::support::{Client, EdgeBuilder, Upstream, self_signed};

#[tokio::test]
async fn post_quantum_key_exchange_is_offered() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[billing.thumbprint()])
        .start();
    let hybrid = aws_lc_rs::kx_group::X25519MLKEM768;
    for groups in [vec![hybrid], vec![aws_lc_rs::kx_group::X25519, hybrid]] {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups.clone_from(&groups);
        let client = Client::with_provider(&edge, &billing, provider);
        let stream = client.tls().await.unwrap();
        let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
        // The edge accepts the client's first key share instead of requesting another.
        assert_eq!(group, groups[0].name());
        assert_eq!(client.token("billing").await.status, 200);
    }
    edge.stop();
}

#[tokio::test]
async fn fapi_cipher_suites_leave_chacha20_out() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let routes = "[[domain.route]]\npath = \"/oauth/token\"";
    let edge = EdgeBuilder::new(upstream.url())
        .domain(crate::support::DOMAIN, routes)
        .domain("fapi.example.test", &format!("cipher_suites = \"fapi\"\n{routes}"))
        .self_signed_application("billing", &[billing.thumbprint()])
        .start();
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains("CHACHA20"));
    assert!(provider.cipher_suites.len() >= 3);
    let client = Client::with_provider(&edge, &billing, provider);
    let stream = client.tls().await.unwrap();
    let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    let error = client.server_name("fapi.example.test").tls().await.unwrap_err();
    assert!(error.to_string().contains("HandshakeFailure"), "{error}");
    edge.stop();
}

#[tokio::test]
async fn a_domain_may_require_tls_1_3() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let routes = "[[domain.route]]\npath = \"/oauth/token\"";
    let edge = EdgeBuilder::new(upstream.url())
        .domain(crate::support::DOMAIN, routes)
        .domain("new.example.test", &format!("min_tls_version = \"1.3\"\n{routes}"))
        .self_signed_application("billing", &[billing.thumbprint()])
        .start();
    let old = Client::build(&edge, &[&rustls::version::TLS12], Some(&billing));
    assert_eq!(old.token("billing").await.status, 200);
    let error = old.server_name("new.example.test").tls().await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    let log = edge.wait_for_log("handshake failed");
    assert!(log.contains("the client offers no version of TLS that the domain accepts"), "{log}");
    let stream = Client::with(&edge, &billing).server_name("new.example.test").tls().await.unwrap();
    assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    edge.stop();
}

#[tokio::test]
async fn aes_128_gcm_is_preferred() {
    let upstream = Upstream::start().await;
    let billing = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[billing.thumbprint()])
        .start();
    // rustls clients offer AES-256 first.
    let mut insists = aws_lc_rs::default_provider();
    insists.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_256_GCM_SHA384);
    for (provider, expected) in [
        (aws_lc_rs::default_provider(), CipherSuite::TLS13_AES_128_GCM_SHA256),
        (insists, CipherSuite::TLS13_AES_256_GCM_SHA384),
    ] {
        let client = Client::with_provider(&edge, &billing, provider);
        let stream = client.tls().await.unwrap();
        assert_eq!(stream.get_ref().1.negotiated_cipher_suite().unwrap().suite(), expected);
    }
    edge.stop();
}
