//! A registered certificate is public: a client that presents it without its key fails the handshake.

use std::sync::{Arc, Mutex};

use rcgen::{KeyPair, RsaKeySize};
use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    client::ResolvesClientCert,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::{CertifiedKey, Signer, SigningKey},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::support::{
    Client, Credentials, DOMAIN, EdgeBuilder, PATIENCE, Upstream, admin, certificates::self_signed_by, passes,
};

/// How a signature is changed before it is sent.
#[derive(Clone, Debug)]
enum Forgery {
    /// It is sent unchanged.
    Sent,
    /// It is sent, and recorded for a replay.
    Recorded(Arc<Mutex<Vec<u8>>>),
    /// These bytes are sent instead.
    Replaced(Vec<u8>),
    /// As many other bytes are sent.
    Garbage,
    /// It is sent with one bit changed.
    BitFlipped,
}

/// A client that presents a certificate with any key.
#[derive(Debug)]
struct Forger {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<ForgedKey>,
}

#[derive(Debug)]
struct ForgedKey {
    key: Arc<dyn SigningKey>,
    forgery: Forgery,
}

#[derive(Debug)]
struct ForgedSigner {
    signer: Box<dyn Signer>,
    forgery: Forgery,
}

impl ResolvesClientCert for Forger {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let key: Arc<dyn SigningKey> = self.key.clone();
        Some(Arc::new(CertifiedKey::new(self.chain.clone(), key)))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl SigningKey for ForgedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = self.key.choose_scheme(offered)?;
        Some(Box::new(ForgedSigner { signer, forgery: self.forgery.clone() }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
}

impl Signer for ForgedSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = self.signer.sign(message)?;
        match &self.forgery {
            Forgery::Sent => {}
            Forgery::Recorded(kept) => kept.lock().unwrap().clone_from(&signature),
            Forgery::Replaced(bytes) => signature.clone_from(bytes),
            Forgery::Garbage => signature.fill(0xa5),
            Forgery::BitFlipped => *signature.last_mut().unwrap() ^= 1,
        }
        Ok(signature)
    }

    fn scheme(&self) -> SignatureScheme {
        self.signer.scheme()
    }
}

fn presenting(client: &Client, shown: &Credentials, key: &PrivateKeyDer<'_>, forgery: Forgery) -> Client {
    let mut client = client.clone();
    let key = Arc::new(ForgedKey { key: any_supported_type(key).unwrap(), forgery });
    client.config().client_auth_cert_resolver = Arc::new(Forger { chain: shown.chain.clone(), key });
    client
}

/// Requests a token, which must fail in the handshake, and returns the error.
async fn ends_with(client: &Client, client_id: &str) -> String {
    let mut stream = match client.tls().await {
        Ok(stream) => stream,
        Err(error) => return error.to_string(),
    };
    let form = format!("grant_type=client_credentials&client_id={client_id}");
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    // A TLS 1.3 client may write before it receives the alert.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = [0; 512];
    match timeout(PATIENCE, stream.read(&mut answer)).await.expect("the edge neither answers nor closes") {
        Ok(read) => panic!("an answer: {:?}", String::from_utf8_lossy(&answer[..read])),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_never_gets_through_a_handshake() {
    type MakeKey = fn() -> KeyPair;
    let kinds: [(&str, MakeKey); 4] = [
        ("p-256", || KeyPair::generate().unwrap()),
        ("p-384", || KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap()),
        ("ed25519", || KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()),
        ("rsa", || KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()),
    ];
    let made = kinds.map(|(name, key)| {
        let credentials = || self_signed_by(&key(), name, |_| {});
        (name, credentials(), credentials())
    });
    let upstream = Upstream::start().await;
    let mut builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0");
    for (name, registered, _) in &made {
        builder = builder.self_signed_application(name, &[registered.thumbprint()]);
    }
    let edge = builder.start();

    let (mut forged, mut honest) = (0, 0);
    for (index, (name, registered, other)) in made.iter().enumerate() {
        for version in [&TLS12, &TLS13] {
            let client = Client::build(&edge, &[version], None);
            // With the right key the handshake succeeds; its signature cannot be replayed.
            let kept = Arc::new(Mutex::new(Vec::new()));
            let recording = Forgery::Recorded(Arc::clone(&kept));
            passes(&presenting(&client, registered, &registered.key, recording), &upstream, name).await;
            honest += 1;
            let replay = Forgery::Replaced(kept.lock().unwrap().clone());
            let other_kind = &made[(index + 2) % made.len()].2;
            for (key, forgery) in [
                (other, Forgery::Sent),
                (other, Forgery::Garbage),
                (other, Forgery::Replaced(Vec::new())),
                (registered, Forgery::BitFlipped),
                (registered, Forgery::Garbage),
                (registered, replay),
                (other_kind, Forgery::Sent),
            ] {
                let what = format!("{name}, {:?}, {forgery:?}", version.version);
                let error = ends_with(&presenting(&client, registered, &key.key, forgery), name).await;
                forged += 1;
                assert!(error.contains("received fatal alert"), "{what}: {error}");
                assert_eq!(upstream.seen().len(), honest, "{what}: the upstream saw it");
            }
        }
    }
    let log = edge.stop();
    assert_eq!(log.matches("handshake failed").count(), forged, "{log}");
}

#[tokio::test]
async fn a_certificate_readable_only_to_its_key_is_refused() {
    let key = KeyPair::generate().unwrap();
    let mut shown = self_signed_by(&key, "billing", |_| {});
    let mut der = shown.leaf().to_vec();
    // SEQUENCEs with two length bytes; after the second, signatureAlgorithm becomes an OCTET STRING.
    assert_eq!([der[0], der[1], der[4], der[5]], [0x30, 0x82, 0x30, 0x82]);
    let end = 8 + usize::from(u16::from_be_bytes([der[6], der[7]]));
    assert_eq!(std::mem::replace(&mut der[end], 0x04), 0x30);
    shown.chain = vec![der.into()];
    let upstream = Upstream::start().await;
    let builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0");
    let edge = builder.self_signed_application("billing", &[shown.thumbprint()]).start();
    for version in [&TLS12, &TLS13] {
        let client = Client::build(&edge, &[version], None);
        let client = presenting(&client, &shown, &shown.key, Forgery::Sent);
        let answer = client.token("billing").await;
        let description = answer.oauth_error(401, "invalid_client");
        assert!(description.contains("must be a well-formed X.509 certificate"), "{description}");
        assert_eq!(edge.log_of(&answer)["code"], "certificate_unreadable");
    }
    admin::assert_counted(&edge, "certificate_unreadable").await;
    assert_eq!(upstream.seen().len(), 0);
    edge.stop();
}

#[tokio::test]
async fn a_client_that_writes_early_still_gets_its_alert() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).usual_domain("auth0").start();
    // In TLS 1.3 the client completes its side of the handshake before the edge has verified its certificate.
    let mut stream = Client::build(&edge, &[&TLS13], None).tls().await.unwrap();
    stream.write_all(b"POST /oauth/token HTTP/1.1\r\n").await.unwrap();
    edge.wait_for_log("handshake failed");
    for _ in 0..3 {
        stream.write_all(b"x-more: more\r\n").await.unwrap();
        stream.flush().await.unwrap();
    }
    let error = timeout(PATIENCE, stream.read(&mut [0])).await.unwrap().unwrap_err().to_string();
    assert_eq!(error, "received fatal alert: CertificateRequired");
    drop(stream);
    edge.stop();
}
