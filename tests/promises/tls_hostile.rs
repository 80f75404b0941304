//! Handshakes and records as an attacker makes them: each is accepted or refused, with the reason in the log, and the next
//! client is served.

mod client_hello;

use std::{fs, sync::Arc};

use rcgen::{CertificateParams, Issuer, KeyPair, PublicKeyData};
use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    client::ResolvesClientCert,
    pki_types::CertificateDer,
    sign::{CertifiedKey, Signer, SigningKey},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, PATIENCE, Upstream, certificates::pem, openssl::SClient,
    self_signed, tool::openssl,
};
use client_hello::Hello;

/// An edge with one registered application, "billing".
async fn start() -> (Edge, Credentials, Upstream) {
    let (upstream, registered) = (Upstream::start().await, self_signed("billing"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    (edge, registered, upstream)
}

/// Asserts that the edge still serves.
async fn assert_serves(edge: &Edge, registered: &Credentials) {
    assert_eq!(Client::with(edge, registered).token("billing").await.status, 200);
}

/// An RSA public key of this size, without a private key.
struct RsaKey(Vec<u8>);

impl RsaKey {
    fn new(bits: usize, exponent: &[u8]) -> Self {
        // RFC 8017 appendix A.1.1.
        Self(der(0x30, &[integer(&vec![0xf1; bits / 8]), integer(exponent)].concat()))
    }

    fn certificate(&self) -> CertificateDer<'static> {
        let (params, signer) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.signed_by(self, &Issuer::from_params(&params, &signer)).unwrap().der().clone()
    }
}

impl PublicKeyData for RsaKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes[0] & 0x80 == 0 { &[] } else { &[0] };
    der(2, &[sign, bytes].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84], &length[..], content].concat()
}

/// Presents a chain, and signs with this many arbitrary bytes.
#[derive(Clone, Debug)]
struct Forger {
    chain: Vec<CertificateDer<'static>>,
    signature: usize,
}

impl ResolvesClientCert for Forger {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::new(CertifiedKey::new(self.chain.clone(), Arc::new(self.clone()))))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl SigningKey for Forger {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl Signer for Forger {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(vec![0x5a; self.signature])
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::RSA_PSS_SHA256
    }
}

#[tokio::test]
async fn an_unsupported_key_is_named_in_the_log() {
    let (edge, registered, _upstream) = start().await;
    let usual: &[u8] = &[1, 0, 1];
    let mut expected = 0;
    for (bits, exponent, reason) in [
        (1024, usual, "RSA key has 1024 bits: 2048 to 8192 are accepted"),
        (16_384, usual, "RSA key has 16384 bits: 2048 to 8192 are accepted"),
        (16_392, usual, "RSA key has 16392 bits: 2048 to 8192 are accepted"),
        (200_000, usual, "RSA key has 200000 bits: 2048 to 8192 are accepted"),
        (2048, &[1], "RSA key has a public exponent that is not accepted: use 65537"),
        (8192, &[0x7f; 1023], "RSA key has a public exponent that is not accepted: use 65537"),
        // Keys of these sizes are real ones.
        (2048, &[3], "the client did not prove possession of its certificate's key"),
        (8192, usual, "the client did not prove possession of its certificate's key"),
    ] {
        let chain = vec![RsaKey::new(bits, exponent).certificate()];
        for version in [&TLS12, &TLS13] {
            let mut client = Client::build(&edge, &[version], None);
            let forger = Forger { chain: chain.clone(), signature: bits / 8 };
            client.config().client_auth_cert_resolver = Arc::new(forger);
            let error = client.refused().await;
            assert!(error.contains("fatal alert"), "{bits} bits: {error}");
            expected += 1;
            edge.wait_for_logs("handshake failed", expected);
            let log = edge.log();
            let last = log.lines().rfind(|line| line.contains("handshake failed")).unwrap();
            assert!(last.contains(reason), "{bits} bits, {:?}: {last}", version.version);
        }
    }
    assert_serves(&edge, &registered).await;
}

#[tokio::test]
async fn a_client_with_an_rsa_key_of_8192_bits_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| openssl(folder.path(), arguments);
    // Four primes are found faster than two.
    run(&["genrsa", "-primes", "4", "-out", "big.key", "8192"]);
    run(&["req", "-x509", "-new", "-key", "big.key", "-subj", "/CN=big", "-days", "30", "-out", "big.pem"]);
    let big = Credentials::read(&folder.path().join("big.pem"), &folder.path().join("big.key"));
    let upstream = Upstream::start().await;
    let builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0");
    let edge = builder.self_signed_application("big", &[big.thumbprint()]).start();
    let body = "client_id=big";
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    for version in ["-tls1_2", "-tls1_3"] {
        let client = SClient::new(&edge, &[version, "-servername", DOMAIN]).certificate(&big);
        let printed = client.send(&request).await;
        assert!(printed.contains("HTTP/1.1 200 OK"), "{printed}");
    }
}

#[tokio::test]
async fn check_warns_of_a_registered_key_that_is_not_accepted() {
    let certificate = pem(&RsaKey::new(1024, &[1, 0, 1]).certificate());
    let output = EdgeBuilder::new("http://127.0.0.1:1")
        .usual_domain("auth0")
        .file("old.pem", certificate)
        .application("old", "self_signed_tls_client_auth", &["certificate = \"old.pem\"".to_owned()])
        .output("check");
    let printed =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    let expected =
        "old.pem: the certificate's RSA key has 1024 bits: 2048 to 8192 are accepted: no handshake succeeds";
    assert!(printed.contains("warning") && printed.contains(expected), "{printed}");
}

/// The peak memory of the process, in KiB.
fn peak(edge: &Edge) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", edge.id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_chain_beyond_64_kib_is_refused_unread() {
    let (edge, registered, _upstream) = start().await;
    assert_serves(&edge, &registered).await;
    let before = peak(&edge);
    // 1 MB, and 16 MB, the longest length that a handshake message can announce.
    for (round, certificates) in [2_500, 35_000].into_iter().enumerate() {
        let chain = vec![registered.leaf().clone(); certificates];
        for (place, version) in [&TLS12, &TLS13].into_iter().enumerate() {
            let shown = registered.clone().with_chain(&chain);
            Client::build(&edge, &[version], Some(&shown)).refused().await;
            edge.wait_for_logs("the client's message is larger than 64 KiB", 2 * round + place + 1);
        }
    }
    let grown = peak(&edge) - before;
    assert!(grown < 8 * 1024, "{grown} KiB more than before");
    assert_serves(&edge, &registered).await;
}

#[tokio::test]
async fn a_renegotiation_is_refused() {
    let (edge, registered, upstream) = start().await;
    let client = SClient::new(&edge, &["-tls1_2", "-servername", DOMAIN]);
    let printed = client.certificate(&registered).commands("R\n").await;
    assert!(printed.contains("RENEGOTIATING") && printed.contains(":no renegotiation:"), "{printed}");
    assert!(upstream.seen().is_empty());
    assert_serves(&edge, &registered).await;
}

#[tokio::test]
async fn no_certificate_is_requested_after_the_handshake() {
    let upstream = Upstream::start().await;
    let registered = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, "client_auth = \"optional\"")
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    // This client would accept a post-handshake request (RFC 8446 section 4.6.2), and prints its messages.
    let client = SClient::new(&edge, &["-tls1_3", "-servername", DOMAIN, "-enable_pha", "-msg"]);
    let printed = client.send(&request).await;
    assert!(printed.contains("HTTP/1.1 401 Unauthorized"), "{printed}");
    assert_eq!(printed.matches("CertificateRequest").count(), 1, "{printed}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn early_data_is_never_accepted() {
    let (edge, registered, upstream) = start().await;
    let mut client = Client::with(&edge, &registered).resuming();
    client.config().enable_early_data = true;
    assert_eq!(client.token("billing").await.status, 200);
    let mut stream = client.tls().await.unwrap();
    let connection = stream.get_mut().1;
    assert_eq!(connection.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
    assert!(!connection.is_early_data_accepted() && connection.early_data().is_none());
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn endless_key_updates_close_the_connection() {
    let (edge, registered, _upstream) = start().await;
    let mut stream = Client::build(&edge, &[&TLS13], Some(&registered)).tls().await.unwrap();
    let flood = async {
        loop {
            stream.get_mut().1.refresh_traffic_keys().unwrap();
            if stream.flush().await.is_err() || stream.write_all(b"").await.is_err() {
                return;
            }
            // Received bytes are discarded, and the connection may end.
            let _ = timeout(std::time::Duration::from_millis(1), stream.read(&mut [0])).await;
        }
    };
    timeout(PATIENCE, flood).await.expect("the edge does not end the connection");
    assert_serves(&edge, &registered).await;
}

/// Sends these bytes on a new connection, and returns the bytes received until the edge closed it.
async fn exchange(edge: &Edge, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(edge.https).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the edge keeps it open");
    answer
}

#[tokio::test]
async fn a_flood_of_empty_records_ends_the_handshake() {
    let (edge, registered, _upstream) = start().await;
    let records: [&[u8]; 5] = [
        // Empty handshake and data records, ChangeCipherSpec, warnings, and a HelloRequest.
        &[22, 3, 1, 0, 0],
        &[23, 3, 3, 0, 0],
        &[20, 3, 3, 0, 1, 1],
        &[21, 3, 3, 0, 2, 1, 90],
        &[22, 3, 1, 0, 4, 0, 0, 0, 0],
    ];
    for record in records {
        for hello in [Vec::new(), Hello::new().records(16_384)] {
            let before = edge.log().matches("handshake failed").count();
            exchange(&edge, &[hello, record.repeat(10_000)].concat()).await;
            edge.wait_for_logs("handshake failed", before + 1);
        }
    }
    assert_serves(&edge, &registered).await;
}
