//! A client that asks for one thing at a time, so that the edge does the same in the same order in every run.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore,
    client::Resumption,
    crypto::{
        SupportedKxGroup,
        aws_lc_rs::{default_provider, kx_group::X25519},
    },
    pki_types::{CertificateDer, pem::PemObject},
    version::TLS13,
};
use testkit::Credentials;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::upstream::BODY;

const DOMAIN: &str = "mtls.localhost";

/// What is done over and over.
#[derive(Clone, Copy)]
pub enum Operation {
    /// A request on one HTTP/1.1 connection.
    Http1,
    /// A request on one HTTP/2 connection.
    Http2,
    /// A new connection with a full handshake by this key exchange, one request, its end.
    Full(&'static dyn SupportedKxGroup),
    /// The same by X25519, resumed but for the first.
    Resumed,
}

/// Does it so many times.
pub fn perform(operation: Operation, times: usize, address: &str, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match operation {
            Operation::Http1 => {
                let tls = connect(&config(folder, X25519, b"http/1.1"), address).await;
                let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
                let connection = tokio::spawn(connection);
                for _ in 0..times {
                    check(sender.send_request(request(Version::HTTP_11)).await.unwrap()).await;
                }
                drop(sender);
                connection.await.unwrap().unwrap();
            }
            Operation::Http2 => {
                let tls = connect(&config(folder, X25519, b"h2"), address).await;
                let io = TokioIo::new(tls);
                let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
                let connection = tokio::spawn(connection);
                for _ in 0..times {
                    check(sender.send_request(request(Version::HTTP_2)).await.unwrap()).await;
                }
                drop(sender);
                connection.await.unwrap().unwrap();
            }
            Operation::Full(group) => {
                let mut config = config(folder, group, b"http/1.1");
                Arc::get_mut(&mut config).unwrap().resumption = Resumption::disabled();
                for _ in 0..times {
                    assert_eq!(once(&config, address).await, Some(HandshakeKind::Full));
                }
            }
            Operation::Resumed => {
                let config = config(folder, X25519, b"http/1.1");
                once(&config, address).await;
                for _ in 0..times {
                    assert_eq!(once(&config, address).await, Some(HandshakeKind::Resumed));
                }
            }
        }
    });
}

/// A connection for one request. Its end is waited for, so that the edge is done with it before the next one comes.
async fn once(config: &Arc<ClientConfig>, address: &str) -> Option<HandshakeKind> {
    let tls = connect(config, address).await;
    let kind = tls.get_ref().1.handshake_kind();
    let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
    let connection = tokio::spawn(connection.without_shutdown());
    check(sender.send_request(request(Version::HTTP_11)).await.unwrap()).await;
    drop(sender);
    let mut tls = connection.await.unwrap().unwrap().io.into_inner();
    tls.shutdown().await.unwrap();
    assert_eq!(tls.read(&mut [0]).await.unwrap(), 0);
    kind
}

async fn connect(config: &Arc<ClientConfig>, address: &str) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    TlsConnector::from(Arc::clone(config)).connect(DOMAIN.try_into().unwrap(), tcp).await.unwrap()
}

fn request(version: Version) -> Request<Full<Bytes>> {
    let request = Request::post(if version == Version::HTTP_2 {
        "https://mtls.localhost/oauth/token"
    } else {
        "/oauth/token"
    });
    let request = if version == Version::HTTP_2 { request } else { request.header(header::HOST, DOMAIN) };
    request
        .version(version)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(BODY))
        .unwrap()
}

async fn check(response: Response<Incoming>) {
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{}");
}

/// "payments" of this folder, whose certificate a client CA has issued, by TLS 1.3.
fn config(folder: &Path, group: &'static dyn SupportedKxGroup, alpn: &[u8]) -> Arc<ClientConfig> {
    let certs = folder.join("certs");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certs.join("server-ca.pem")).unwrap()).unwrap();
    let Credentials { chain, key } =
        Credentials::read(&certs.join("payments.pem"), &certs.join("payments.key"));
    let mut provider = default_provider();
    provider.kx_groups = vec![group];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}
