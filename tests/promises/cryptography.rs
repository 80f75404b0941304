//! What the TLS handshake offers.

use rustls::{
    CipherSuite, HandshakeKind,
    crypto::{
        CryptoProvider, SupportedKxGroup,
        aws_lc_rs::{self, kx_group},
    },
    version::TLS12,
};

use crate::support::{
    Client, EdgeBuilder, Upstream,
    admin::{happens, metric},
    client::provider_with,
    self_signed, with_client,
};

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

/// The cryptography of rustls with these groups, in this order.
fn with_groups(groups: &[&'static dyn SupportedKxGroup]) -> CryptoProvider {
    CryptoProvider { kx_groups: groups.to_vec(), ..aws_lc_rs::default_provider() }
}

#[tokio::test]
async fn the_groups_of_a_domain_are_preferred_in_their_order() {
    use kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    let upstream = Upstream::start().await;
    let builder = EdgeBuilder::new(upstream.url())
        .workers(1)
        .domain(
            crate::support::DOMAIN,
            "key_exchange_groups = [\"X25519MLKEM768\", \"secp256r1\", \"x25519\"]\n[[domain.route]]\npath = \"/oauth/token\"",
        )
        .domain("usual.example.test", "[[domain.route]]\npath = \"/oauth/token\"");
    let billing = self_signed("billing");
    let edge = builder.self_signed_application("billing", &[billing.thumbprint()]).start();
    let retried = HandshakeKind::FullWithHelloRetryRequest;
    for (offered, used, kind) in [
        (&[X25519MLKEM768, X25519][..], "X25519MLKEM768", HandshakeKind::Full),
        (&[X25519, X25519MLKEM768], "X25519MLKEM768", retried),
        (&[X25519, SECP256R1], "secp256r1", retried),
        (&[SECP384R1, X25519], "X25519", retried),
        (&[X25519], "X25519", HandshakeKind::Full),
    ] {
        let client = Client::with_provider(&edge, &billing, with_groups(offered)).resuming();
        assert_eq!(client.tls().await.unwrap().get_ref().1.handshake_kind(), Some(kind), "{used}");
        let answer = client.token("billing").await;
        assert_eq!((answer.status.as_u16(), edge.log_of(&answer)["group"].as_str()), (200, Some(used)));
        // A ticket is valid whichever group is used next.
        let answer = client.token("billing").await;
        assert_eq!(edge.log_of(&answer)["resumed"], true);
    }
    // TLS 1.2 does not have the first one.
    let old = Client::of(&edge, &[&TLS12], Some(&billing), with_groups(&[X25519MLKEM768, X25519, SECP256R1]));
    let answer = old.token("billing").await;
    assert_eq!(edge.log_of(&answer)["group"], "secp256r1");

    let failed = "mtls_edge_handshake_failures_total{reason=\"incompatible\"}";
    for (count, versions) in [(1, rustls::ALL_VERSIONS), (2, &[&TLS12])] {
        let before = metric(&edge, failed).await;
        let other = Client::of(&edge, versions, Some(&billing), provider_with(SECP384R1));
        let error = other.refused().await;
        assert!(error.contains("HandshakeFailure"), "{error}");
        happens(async || metric(&edge, failed).await == before + 1).await;
        edge.wait_for_logs("the client offers no key exchange group that the domain accepts", count);
        assert_eq!(other.server_name("usual.example.test").tls().await.map(drop).ok(), Some(()));
    }
    edge.stop();
}

#[tokio::test]
async fn a_reload_changes_the_groups_of_new_handshakes() {
    let upstream = Upstream::start().await;
    let (edge, billing) = with_client(EdgeBuilder::new(upstream.url()));
    let first = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let client = Client::with_provider(&edge, &billing, provider_with(kx_group::X25519));
    let mut open = client.connect().await;
    assert_eq!(open.token("billing").await.status, 200);
    let other = "key_exchange_groups = [\"secp384r1\"]\n[[domain.route]]";
    edge.reload("edge.toml", &first.replacen("[[domain.route]]", other, 1));
    assert!(client.refused().await.contains("HandshakeFailure"));
    assert_eq!(open.token("billing").await.status, 200);
    let p384 = Client::with_provider(&edge, &billing, provider_with(kx_group::SECP384R1));
    assert_eq!(p384.token("billing").await.status, 200);
    edge.reload("edge.toml", &first);
    assert_eq!(client.token("billing").await.status, 200);
    edge.stop();
}
