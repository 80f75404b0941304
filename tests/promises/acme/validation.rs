//! TLS-ALPN-01 at the edge's own addresses: a way in for CAs, and for nobody else.

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{ordered, settings};
use crate::support::{Client, DOMAIN, Edge, EdgeBuilder, PATIENCE, Upstream, admin, self_signed};

/// The digest that another process has announced: 32 bytes of 0x2a.
const DIGEST: &str = "KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio";

/// A directory at which no CA answers.
const NO_CA: &str = "http://127.0.0.1:1/dir";

/// A client that offers these protocols, and accepts any certificate that this CA has issued.
fn offering(edge: &Edge, protocols: &[&str]) -> Client {
    let mut client = Client::new(edge);
    let config = client.config();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config.dangerous().set_certificate_verifier(std::sync::Arc::new(any::AnyCertificate));
    client
}

/// The right to order, which keeps the edge from its own orders.
fn lock(state: &TempDir) -> std::fs::File {
    let file = std::fs::File::create(state.path().join("lock")).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

/// Announces a validation as an edge does that shares the folder.
fn announce(state: &TempDir, domain: &str) {
    std::fs::create_dir_all(state.path().join("challenges")).unwrap();
    std::fs::write(state.path().join("challenges").join(domain), DIGEST).unwrap();
}

/// Announces a validation of the usual domain, and waits until this edge answers it.
async fn announced(edge: &Edge, state: &TempDir) -> CertificateDer<'static> {
    announce(state, DOMAIN);
    let client = offering(edge, &["acme-tls/1"]);
    admin::happens(async || client.tls().await.is_ok()).await;
    let stream = client.tls().await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn a_validation_of_another_process_is_answered() {
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    let _lock = lock(&state);
    let (edge, _) = ordered(&upstream, &settings(NO_CA, &state));
    let edge = edge.start();
    // Before it is announced, and for another name.
    assert!(offering(&edge, &["acme-tls/1"]).tls().await.is_err());
    let certificate = announced(&edge, &state).await;
    let (_, parsed) = X509Certificate::from_der(&certificate).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    assert_eq!(format!("{:?}", names.value.general_names), format!("[DNSName({DOMAIN:?})]"));
    // RFC 8737 section 3: critical, an OCTET STRING with the digest.
    let identifier =
        parsed.extensions().iter().find(|extension| extension.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
    let identifier = identifier.unwrap();
    assert!(identifier.critical);
    assert_eq!(identifier.value, [&[4, 32][..], &[0x2a; 32]].concat());
    assert!(offering(&edge, &["acme-tls/1"]).server_name("other.example").tls().await.is_err());
    let reason = "mtls_edge_handshake_failures_total{reason=\"no_challenge\"}";
    assert!(admin::metric(&edge, reason).await >= 2);
}

#[tokio::test]
async fn a_validation_does_not_evade_client_authentication() {
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    let _lock = lock(&state);
    // One domain with a certificate, so that there is something to evade.
    let settings = settings(NO_CA, &state);
    let billing = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .acme_domain("ordered.example", "")
        .self_signed_application("billing", &[billing.thumbprint()])
        .extra(&settings)
        .start();
    // Nobody announces validations of a domain that is not ordered for; if so, it is not answered.
    announce(&state, DOMAIN);
    announce(&state, "ordered.example");
    let ca = offering(&edge, &["acme-tls/1"]).server_name("ordered.example");
    admin::happens(async || ca.tls().await.is_ok()).await;
    assert!(offering(&edge, &["acme-tls/1"]).tls().await.is_err());

    // After the handshake the connection ends, whatever is sent.
    let mut stream = ca.tls().await.unwrap();
    let request = format!("POST /oauth/token HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-length: 0\r\n\r\n");
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it stays open");
    assert!(answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));

    // Beside another protocol it counts for nothing: the domain's own rule applies.
    for protocols in [&["acme-tls/1", "http/1.1"][..], &["http/1.1", "acme-tls/1"], &["h2", "acme-tls/1"]] {
        let error = offering(&edge, protocols).refused().await;
        assert!(error.contains("CertificateRequired"), "{protocols:?}: {error}");
        let error = offering(&edge, protocols).server_name("ordered.example").tls().await.unwrap_err();
        assert!(error.to_string().contains("InternalError"), "{protocols:?}: {error}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_validation_is_answered_during_a_takeover() {
    let (upstream, state) = (Upstream::start().await, TempDir::new().unwrap());
    let _lock = lock(&state);
    let (edge, _) = ordered(&upstream, &settings(NO_CA, &state));
    let edge = edge.installed().limits("drain_timeout = \"300ms\"").start();
    announced(&edge, &state).await;
    crate::handover::replace(&edge);
    let client = offering(&edge, &["acme-tls/1"]);
    admin::happens(async || client.tls().await.is_ok()).await;
}

mod any {
    use rustls::{
        DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, UnixTime},
    };

    /// Accepts every server certificate.
    #[derive(Debug)]
    pub(super) struct AnyCertificate;

    impl ServerCertVerifier for AnyCertificate {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
}
