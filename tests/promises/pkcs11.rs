//! Private keys in PKCS#11 tokens: they sign handshakes, are checked before they are used, and a token that fails
//! fails handshakes alone.

mod check;
pub(crate) mod outage;
pub(crate) mod sessions;

use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256,
    SignatureAlgorithm,
};
use rustls::version::{TLS12, TLS13};

use crate::support::{Ca, Client, DOMAIN, Edge, EdgeBuilder, Upstream, openssl::SClient, soft_hsm::SoftHsm};

/// Issues a certificate of the usual domain with a key of this type: its file is `server.pem`, and its key is in the
/// token alone.
fn server(builder: &EdgeBuilder, hsm: &SoftHsm, algorithm: &'static SignatureAlgorithm) -> Ca {
    let ca = Ca::with_keys("Server CA", algorithm);
    let server = ca.server(&[DOMAIN]);
    std::fs::write(builder.path().join("server.pem"), server.chain_pem()).unwrap();
    hsm.import("edge", "server", "a1", &server);
    ca
}

/// An edge whose key is in a token.
fn started(upstream: &Upstream, algorithm: &'static SignatureAlgorithm) -> Option<(Edge, SoftHsm)> {
    let builder = EdgeBuilder::new(upstream.url());
    let hsm = SoftHsm::in_folder(builder.path())?;
    let ca = server(&builder, &hsm, algorithm);
    let mut edge = hsm.domain(builder, "server.pem", &hsm.uri("token=edge;object=server")).start();
    edge.server_ca = ca.der();
    Some((edge, hsm))
}

#[tokio::test]
async fn a_token_signs_handshakes_by_every_scheme() {
    let upstream = Upstream::start().await;
    for (algorithm, arguments) in [
        (
            &PKCS_RSA_SHA256,
            &[
                "-tls1_3 -sigalgs RSA-PSS+SHA256",
                "-tls1_3 -sigalgs RSA-PSS+SHA384",
                "-tls1_3 -sigalgs RSA-PSS+SHA512",
                "-tls1_2 -sigalgs RSA-PSS+SHA256",
                "-tls1_2 -sigalgs RSA+SHA256",
                "-tls1_2 -sigalgs RSA+SHA384",
                "-tls1_2 -sigalgs RSA+SHA512",
            ][..],
        ),
        (&PKCS_ECDSA_P256_SHA256, &["-tls1_3", "-tls1_2"]),
        (&PKCS_ECDSA_P384_SHA384, &["-tls1_3", "-tls1_2"]),
        (&PKCS_ECDSA_P521_SHA512, &["-tls1_3", "-tls1_2"]),
    ] {
        let Some((edge, _hsm)) = started(&upstream, algorithm) else { return };
        for arguments in arguments {
            let all: Vec<&str> = ["-servername", DOMAIN].into_iter().chain(arguments.split(' ')).collect();
            let request = format!("GET / HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n");
            let printed = SClient::new(&edge, &all).send(&request).await;
            assert!(printed.contains("HTTP/1.1 404"), "{arguments}: {printed}\n{}", edge.log());
        }
        // Both implementations verify r and s of every length.
        for version in [&TLS12, &TLS13] {
            for _ in 0..20 {
                let client = Client::build(&edge, &[version], None);
                assert_eq!(client.token("billing").await.status, 200);
            }
        }
        edge.stop();
    }
}
