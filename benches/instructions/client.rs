//! A client that does one operation at a time, so that the edge does the same in the same order in every run.

use std::{net::SocketAddr, path::Path};

use bytes::Bytes;
use http::{Request, Response, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    HandshakeKind,
    crypto::{SupportedKxGroup, aws_lc_rs::kx_group::X25519},
    version::TLS13,
};
use testkit::client::{Client, provider_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    edge::{DOMAIN, payments},
    upstream::BODY,
};

/// The operation that is repeated.
#[derive(Clone, Copy)]
pub enum Operation {
    /// A request on one HTTP/1.1 connection.
    Http1,
    /// A request on one HTTP/2 connection.
    Http2,
    /// A new connection with a full handshake by this key exchange, one request, and its end.
    Full(&'static dyn SupportedKxGroup),
    /// A new connection with a resumed handshake by X25519, one request, and its end. The first handshake is full.
    Resumed,
}

/// Performs an operation this many times.
pub fn perform(operation: Operation, times: usize, address: SocketAddr, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match operation {
            Operation::Http1 => {
                let tls = client(address, folder, X25519).tls().await.unwrap();
                let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
                let connection = tokio::spawn(connection);
                for _ in 0..times {
                    check(sender.send_request(request(Version::HTTP_11)).await.unwrap()).await;
                }
                drop(sender);
                connection.await.unwrap().unwrap();
            }
            Operation::Http2 => {
                let tls = client(address, folder, X25519).http2().tls().await.unwrap();
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
                let client = client(address, folder, group);
                for _ in 0..times {
                    assert_eq!(once(&client).await, Some(HandshakeKind::Full));
                }
            }
            Operation::Resumed => {
                let client = client(address, folder, X25519).resuming();
                once(&client).await;
                for _ in 0..times {
                    assert_eq!(once(&client).await, Some(HandshakeKind::Resumed));
                }
            }
        }
    });
}

/// Opens a connection for one request, and waits for its end, so that the edge has finished with it before the next one arrives.
async fn once(client: &Client) -> Option<HandshakeKind> {
    let tls = client.tls().await.unwrap();
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

/// "payments", whose certificate a client CA has issued, over TLS 1.3.
fn client(address: SocketAddr, folder: &Path, group: &'static dyn SupportedKxGroup) -> Client {
    let (ca, credentials) = payments(folder);
    Client::of(&(address, ca), &[&TLS13], Some(&credentials), provider_with(group)).server_name(DOMAIN)
}
