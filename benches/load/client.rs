//! The client that sends the load: `testkit`'s for TLS, and hyper above it.
//!
//! The HTTP part is its own, since it shares a core with the upstream: its tasks stay on one thread without `Send`, bodies are not
//! boxed, and no timer runs per request.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustls::{
    HandshakeKind,
    crypto::{SupportedKxGroup, aws_lc_rs},
    version::TLS13,
};
use serde_json::json;
use testkit::{Credentials, client::provider_with, jws::SigningKey};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{
    certificates::{ASSERTION_CLIENT_ID, CLIENT_ID, Certificates, ISSUER},
    contender::{DOMAIN, PATH},
    outcome::Outcome,
};

/// How clients connect.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The only key-exchange group that is offered, so that all contenders use the same.
    pub group: &'static dyn SupportedKxGroup,
    /// Whether sessions are resumed.
    pub resumes: bool,
    /// HTTP/2 rather than HTTP/1.1.
    pub http2: bool,
}

/// Classical key exchange.
pub const CLASSICAL: Kind = Kind { group: aws_lc_rs::kx_group::X25519, resumes: false, http2: false };

/// A client with one certificate, or none.
#[derive(Clone)]
pub struct Client {
    tls: testkit::client::Client,
    signer: Arc<SigningKey>,
    /// Marks requests whose headers the upstream is to record.
    pub probe: bool,
}

impl Client {
    /// A client with these credentials, or none. TLS 1.3 only: the rows name it.
    pub fn new(
        address: SocketAddr,
        certificates: &Certificates,
        credentials: Option<&Credentials>,
        kind: Kind,
    ) -> Self {
        let server = (address, certificates.server_ca.clone());
        let tls = testkit::client::Client::of(&server, &[&TLS13], credentials, provider_with(kind.group));
        let tls = tls.server_name(DOMAIN);
        let tls = if kind.resumes { tls.resuming() } else { tls };
        let signer = Arc::clone(&certificates.assertion_signer);
        Self { tls: if kind.http2 { tls.http2() } else { tls }, signer, probe: false }
    }

    /// A copy of this client with its own sessions.
    pub fn apart(&self) -> Self {
        Self { tls: self.tls.clone().resuming(), ..self.clone() }
    }

    /// A copy of this client that connects from this address.
    pub fn from(mut self, source: IpAddr) -> Self {
        self.tls = self.tls.from(source);
        self
    }

    /// A connection after the handshake.
    pub async fn connect(&self) -> Outcome<TlsStream<TcpStream>> {
        self.tls.handshake().await.map_err(|error| format!("no handshake: {error}"))
    }

    /// The bytes of a ClientHello.
    pub fn hello(&self) -> Vec<u8> {
        self.tls.hello()
    }

    /// A connection without TLS.
    pub async fn tcp(&self) -> std::io::Result<TcpStream> {
        self.tls.tcp().await
    }

    /// An HTTP/1.1 connection, and whether its session was resumed.
    pub async fn http1(&self) -> Outcome<(Http1, bool)> {
        let tls = self.connect().await?;
        let resumed = tls.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let (sender, connection) =
            http1::handshake(TokioIo::new(tls)).await.map_err(|error| error.to_string())?;
        let driver = tokio::task::spawn_local(async move { drop(connection.await) });
        Ok((Http1 { sender, driver, signer: Arc::clone(&self.signer), probe: self.probe }, resumed))
    }

    /// An HTTP/2 connection.
    pub async fn http2(&self) -> Outcome<Http2> {
        let tls = self.connect().await?;
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .handshake(TokioIo::new(tls))
            .await
            .map_err(|error| error.to_string())?;
        tokio::task::spawn_local(async move { drop(connection.await) });
        Ok(Http2 { sender, probe: self.probe })
    }
}

/// Spawns on the current thread.
#[derive(Clone, Copy, Debug)]
pub struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}

/// An HTTP/1.1 connection.
pub struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
    signer: Arc<SigningKey>,
    probe: bool,
}

impl Http1 {
    /// Requests a token.
    pub async fn token(&mut self) -> Outcome<()> {
        self.sender.ready().await.map_err(|error| format!("the connection is closed: {error}"))?;
        let response = self.sender.send_request(request(PATH, self.probe)).await;
        finish(response).await
    }

    /// Requests a token with a new client assertion.
    pub async fn assert(&mut self) -> Outcome<()> {
        let body = assertion_body(&self.signer);
        self.sender.ready().await.map_err(|error| format!("the connection is closed: {error}"))?;
        let response = self.sender.send_request(request_of(PATH, self.probe, body)).await;
        finish(response).await
    }

    /// Closes the connection, and waits until it is closed.
    pub async fn close(self) {
        drop(self.sender);
        let _ = self.driver.await;
    }
}

/// An HTTP/2 connection, which carries concurrent requests.
#[derive(Clone)]
pub struct Http2 {
    sender: http2::SendRequest<Full<Bytes>>,
    probe: bool,
}

impl Http2 {
    /// Requests a token.
    pub async fn token(&mut self) -> Outcome<()> {
        self.sender.ready().await.map_err(|error| format!("the connection is closed: {error}"))?;
        let uri = format!("https://{DOMAIN}{PATH}");
        let response = self.sender.send_request(request(&uri, self.probe)).await;
        finish(response).await
    }
}

/// A form with a new assertion, signed by RS256.
fn assertion_body(signer: &SigningKey) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (iat, jti) = (now.as_secs(), now.as_nanos().to_string());
    let claims = json!({
        "iss": ASSERTION_CLIENT_ID, "sub": ASSERTION_CLIENT_ID, "aud": ISSUER, "iat": iat, "exp": iat + 60, "jti": jti
    });
    let assertion = signer.token(&json!({ "alg": "RS256", "typ": "JWT" }), &claims);
    format!(
        "grant_type=client_credentials&client_id={ASSERTION_CLIENT_ID}&scope=payments%3Aread\
         &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
    )
}

fn request(uri: &str, probe: bool) -> Request<Full<Bytes>> {
    let body = format!("grant_type=client_credentials&client_id={CLIENT_ID}&scope=payments%3Aread");
    request_of(uri, probe, body)
}

fn request_of(uri: &str, probe: bool, body: String) -> Request<Full<Bytes>> {
    let mut request = Request::post(uri)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "load/1.0");
    // In HTTP/2 the target contains it.
    if uri.starts_with('/') {
        request = request.header(header::HOST, DOMAIN);
    }
    if probe {
        request = request.header(super::upstream::PROBE, "1");
    }
    request.body(Full::from(body)).unwrap()
}

async fn finish(response: hyper::Result<http::Response<hyper::body::Incoming>>) -> Outcome<()> {
    let response = response.map_err(|error| format!("no response: {error}"))?;
    let status = response.status();
    let body =
        response.into_body().collect().await.map_err(|error| format!("incomplete response: {error}"))?;
    if status == StatusCode::OK {
        return Ok(());
    }
    let text = body.to_bytes();
    Err(format!("status {status}: {}", String::from_utf8_lossy(text.get(..300).unwrap_or(&text))))
}
