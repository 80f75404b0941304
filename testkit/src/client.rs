//! One TLS client: HTTP/1.1 and HTTP/2 by hyper, and raw bytes for clients that misbehave.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::Resumption,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs},
    pki_types::{CertificateDer, ServerName},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{Credentials, DOMAIN, PATIENCE};

/// A server that a client calls.
pub trait Server {
    /// Its address.
    fn address(&self) -> SocketAddr;

    /// The CA of its certificate.
    fn ca(&self) -> CertificateDer<'static>;
}

impl Server for (SocketAddr, CertificateDer<'static>) {
    fn address(&self) -> SocketAddr {
        self.0
    }

    fn ca(&self) -> CertificateDer<'static> {
        self.1.clone()
    }
}

/// The TLS configuration of a client: no ALPN, no resumption.
pub fn tls_config(
    ca: CertificateDer<'static>,
    credentials: Option<&Credentials>,
    versions: &[&'static SupportedProtocolVersion],
    provider: CryptoProvider,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(ca).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match credentials {
        Some(credentials) => {
            // Not `with_client_auth_cert`, which parses the certificate: an X.509 v1 or malformed one is to be sent too.
            let key = aws_lc_rs::sign::any_supported_type(&credentials.key).unwrap();
            let certified = CertifiedKey::new(credentials.chain.clone(), key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config
}

/// The cryptography of rustls with one key exchange group.
pub fn provider_with(group: &'static dyn SupportedKxGroup) -> CryptoProvider {
    CryptoProvider { kx_groups: vec![group], ..aws_lc_rs::default_provider() }
}

/// A TLS client: rustls and hyper. A clone shares the sessions.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    server_name: ServerName<'static>,
    config: Arc<ClientConfig>,
    prelude: Vec<u8>,
    from: Option<IpAddr>,
}

impl Client {
    /// A client of the usual domain, without a certificate, over HTTP/1.1.
    pub fn new(server: &impl Server) -> Self {
        Self::build(server, rustls::ALL_VERSIONS, None)
    }

    /// A client with this certificate.
    pub fn with(server: &impl Server, credentials: &Credentials) -> Self {
        Self::build(server, rustls::ALL_VERSIONS, Some(credentials))
    }

    /// A client that speaks only these versions of TLS.
    pub fn build(
        server: &impl Server,
        versions: &[&'static SupportedProtocolVersion],
        credentials: Option<&Credentials>,
    ) -> Self {
        Self::of(server, versions, credentials, aws_lc_rs::default_provider())
    }

    /// A client with this certificate and this cryptography.
    pub fn with_provider(server: &impl Server, credentials: &Credentials, provider: CryptoProvider) -> Self {
        Self::of(server, rustls::ALL_VERSIONS, Some(credentials), provider)
    }

    /// A client with these versions, this certificate and this cryptography.
    pub fn of(
        server: &impl Server,
        versions: &[&'static SupportedProtocolVersion],
        credentials: Option<&Credentials>,
        provider: CryptoProvider,
    ) -> Self {
        let mut config = tls_config(server.ca(), credentials, versions, provider);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            address: server.address(),
            server_name: DOMAIN.try_into().unwrap(),
            config: Arc::new(config),
            prelude: Vec::new(),
            from: None,
        }
    }

    /// This client, with its sessions, for another server.
    pub fn before(mut self, server: &impl Server) -> Self {
        self.address = server.address();
        self
    }

    /// Over HTTP/2.
    pub fn http2(mut self) -> Self {
        self.config().alpn_protocols = vec![b"h2".to_vec()];
        self
    }

    /// Sends this server name (SNI).
    pub fn server_name(mut self, name: &str) -> Self {
        self.server_name = name.to_owned().try_into().unwrap();
        self
    }

    /// Sends these bytes before its ClientHello, as a load balancer with the PROXY protocol does.
    pub fn prelude(mut self, bytes: &[u8]) -> Self {
        self.prelude = bytes.to_vec();
        self
    }

    /// Calls from this address, such as another one of the loopback network.
    pub fn from(mut self, ip: impl std::fmt::Display) -> Self {
        self.from = Some(ip.to_string().parse().unwrap());
        self
    }

    /// A TCP connection, before any TLS.
    pub async fn tcp(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(ip) = self.from {
            socket.bind((ip, 0).into())?;
        }
        socket.connect(self.address).await
    }

    /// Resumes sessions, which its clones share.
    pub fn resuming(mut self) -> Self {
        self.config().resumption = Resumption::in_memory_sessions(16);
        self
    }

    /// The TLS configuration, for further changes.
    pub fn config(&mut self) -> &mut ClientConfig {
        Arc::make_mut(&mut self.config)
    }

    /// The bytes of a ClientHello.
    pub fn hello(&self) -> Vec<u8> {
        let mut tls =
            rustls::ClientConnection::new(Arc::clone(&self.config), self.server_name.clone()).unwrap();
        let mut bytes = Vec::new();
        tls.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// A TLS stream, before any HTTP.
    pub async fn tls(&self) -> std::io::Result<TlsStream<TcpStream>> {
        timeout(PATIENCE, self.handshake()).await.expect("the handshake hangs")
    }

    /// A TLS stream, without a limit of time.
    pub async fn handshake(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let mut tcp = self.tcp().await?;
        tcp.set_nodelay(true)?;
        tcp.write_all(&self.prelude).await?;
        TlsConnector::from(Arc::clone(&self.config)).connect(self.server_name.clone(), tcp).await
    }

    /// A connection for requests.
    pub async fn connect(&self) -> Connection {
        let stream = self.tls().await.unwrap();
        Connection::over(stream).await
    }

    /// One POST of a form to `/oauth/token` on a new connection.
    pub async fn token(&self, client_id: &str) -> Answer {
        self.connect().await.token(client_id).await
    }

    /// Writes these bytes on a new connection, and reads until the edge closes it.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.tls().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("the edge keeps the connection open");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Asserts that the handshake, or the first read after it (TLS 1.3), ends with an alert. Returns the error's text.
    pub async fn refused(&self) -> String {
        let mut stream = match self.tls().await {
            Ok(stream) => stream,
            Err(error) => return error.to_string(),
        };
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut byte = [0];
        match timeout(PATIENCE, stream.read(&mut byte)).await.expect("the edge neither answers nor closes") {
            Ok(read) => panic!("no alert, but {read} bytes: {byte:?}"),
            Err(error) => error.to_string(),
        }
    }
}

enum Sender {
    Http1(http1::SendRequest<BoxBody<Bytes, std::convert::Infallible>>),
    Http2(http2::SendRequest<BoxBody<Bytes, std::convert::Infallible>>),
}

/// An open connection.
pub struct Connection {
    sender: Sender,
    driver: JoinHandle<()>,
    /// Closes the connection at once, even if the runtime is blocked.
    socket: std::net::TcpStream,
    /// Whether the handshake was resumed.
    pub resumed: bool,
    /// The version of TLS.
    pub version: rustls::ProtocolVersion,
    /// The server's chain.
    pub server_chain: Vec<CertificateDer<'static>>,
}

impl Connection {
    /// Speaks the protocol that ALPN selected on this stream.
    pub async fn over(stream: TlsStream<TcpStream>) -> Self {
        let (tcp, tls) = stream.get_ref();
        let socket = tcp.as_fd().try_clone_to_owned().unwrap().into();
        let resumed = tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        let version = tls.protocol_version().unwrap();
        let server_chain = tls.peer_certificates().unwrap_or_default().to_vec();
        let is_http2 = tls.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(stream);
        let (sender, driver) = if is_http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            (Sender::Http2(sender), tokio::spawn(async move { drop(connection.await) }))
        } else {
            let (sender, connection) = http1::handshake(io).await.unwrap();
            (Sender::Http1(sender), tokio::spawn(async move { drop(connection.await) }))
        };
        Self { sender, driver, socket, resumed, version, server_chain }
    }

    /// Sends a request. HTTP/2 needs an absolute URI; HTTP/1.1 a `Host`: both are added where missing.
    pub async fn send<B>(&mut self, request: Request<B>) -> Answer
    where
        B: http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
    {
        self.try_send(request).await.unwrap()
    }

    /// Sends a request that may fail.
    pub async fn try_send<B>(&mut self, request: Request<B>) -> Result<Answer, hyper::Error>
    where
        B: http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
    {
        let mut request = request.map(BodyExt::boxed);
        let response = timeout(PATIENCE, async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    if !request.headers().contains_key("host") {
                        request.headers_mut().insert("host", DOMAIN.parse().unwrap());
                    }
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Http2(sender) => {
                    if request.uri().authority().is_none() {
                        let uri = format!("https://{DOMAIN}{}", request.uri());
                        *request.uri_mut() = uri.parse().unwrap();
                    }
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        })
        .await
        .expect("no answer")?;
        Answer::read(response).await
    }

    /// A POST of a form to `/oauth/token`.
    pub async fn token(&mut self, client_id: &str) -> Answer {
        self.send(token_request(client_id)).await
    }

    /// Sends the usual request over HTTP/2 without waiting for the response.
    pub fn start_token(&self, client_id: &str) -> JoinHandle<Answer> {
        self.start(token_request(client_id))
    }

    /// Sends a request over HTTP/2 without waiting for the response.
    pub fn start<B>(&self, request: Request<B>) -> JoinHandle<Answer>
    where
        B: http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
    {
        let Sender::Http2(sender) = &self.sender else { panic!("HTTP/1.1 has one request at a time") };
        let (mut sender, mut request) = (sender.clone(), request.map(BodyExt::boxed));
        *request.uri_mut() = format!("https://{DOMAIN}{}", request.uri()).parse().unwrap();
        tokio::spawn(async move {
            sender.ready().await.unwrap();
            Answer::read(sender.send_request(request).await.unwrap()).await.unwrap()
        })
    }

    /// Waits until the edge has closed the connection.
    pub async fn closed(&mut self) {
        timeout(PATIENCE, &mut self.driver).await.expect("the edge keeps the connection open").unwrap();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// The usual request.
pub fn token_request(client_id: &str) -> Request<Full<Bytes>> {
    Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(format!("grant_type=client_credentials&client_id={client_id}")))
        .unwrap()
}

/// A response with its whole body.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The header section.
    pub headers: HeaderMap,
    /// The content.
    pub body: Bytes,
}

impl Answer {
    async fn read(response: Response<hyper::body::Incoming>) -> Result<Self, hyper::Error> {
        let (head, body) = response.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.expect("the response's body hangs")?.to_bytes();
        Ok(Self { status: head.status, headers: head.headers, body })
    }

    /// The content as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// Asserts an OAuth error of this status and code (RFC 6749 section 5.2), and returns its description.
    pub fn oauth_error(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/json");
        assert_eq!(self.headers["cache-control"], "no-store");
        assert!(self.headers.contains_key("x-request-id"));
        let body = self.json();
        assert_eq!(body["error"], code, "{body}");
        body["error_description"].as_str().unwrap().to_owned()
    }
}
