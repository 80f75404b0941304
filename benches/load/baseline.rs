//! The rustls baseline: the server's side of one handshake in memory, on one thread. No server on rustls can be faster.

use std::{
    io::Cursor,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, Error, HandshakeKind,
    RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
    client::{Resumption, danger::HandshakeSignatureValid},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    version::TLS13,
};

use mtls_edge::tls::CipherSuites;

use super::{certificates::Certificates, client::Kind, contender::DOMAIN};

/// Checks possession of the key and nothing else, as the edge does when it has cached the chain's verdict.
#[derive(Debug)]
struct PossessionOnly(Arc<CryptoProvider>);

impl ClientCertVerifier for PossessionOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The p50 of the time that the server spends on one handshake, in microseconds.
pub fn handshake_time(certificates: &Certificates, kind: Kind, count: usize) -> f64 {
    let (client, server) = configs(certificates, kind);
    let mut times: Vec<Duration> = (0..count)
        .filter_map(|number| {
            let (time, handshake) = handshake(&client, &server);
            // The first has no session to resume.
            let expected = if kind.resumes { HandshakeKind::Resumed } else { HandshakeKind::Full };
            (number > 0).then(|| assert_eq!(handshake, Some(expected)))?;
            Some(time)
        })
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6
}

fn configs(certificates: &Certificates, kind: Kind) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    // The edge's own cipher suites.
    let mut provider = mtls_edge::tls::provider(CipherSuites::Default);
    provider.kx_groups = vec![kind.group];
    let provider = Arc::new(provider);
    let mut roots = RootCertStore::empty();
    roots.add(certificates.server_ca.clone()).unwrap();
    let credentials = &certificates.client;
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(credentials.chain.clone(), credentials.key.clone_key())
        .unwrap();
    client.resumption = if kind.resumes { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
    let credentials = &certificates.server;
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(PossessionOnly(provider)))
        .with_single_cert(credentials.chain.clone(), credentials.key.clone_key())
        .unwrap();
    server.ticketer = aws_lc_rs::Ticketer::new().unwrap();
    server.send_tls13_tickets = 1;
    (Arc::new(client), Arc::new(server))
}

fn handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> (Duration, Option<HandshakeKind>) {
    let mut time = Duration::ZERO;
    let mut client = ClientConnection::new(Arc::clone(client), DOMAIN.try_into().unwrap()).unwrap();
    let begin = Instant::now();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    time += begin.elapsed();
    while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut answer = Vec::new();
        let begin = Instant::now();
        let mut left = Cursor::new(bytes);
        while left.position() < left.get_ref().len() as u64 {
            server.read_tls(&mut left).unwrap();
            server.process_new_packets().unwrap();
        }
        while server.wants_write() {
            server.write_tls(&mut answer).unwrap();
        }
        time += begin.elapsed();
        let mut left = Cursor::new(answer);
        while left.position() < left.get_ref().len() as u64 {
            client.read_tls(&mut left).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    (time, server.handshake_kind())
}
