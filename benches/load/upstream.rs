//! The authorization server of a run: answers every request with the same token response, over kept connections.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::SanType;
use rustls::{ServerConfig, crypto::aws_lc_rs};
use testkit::{Ca, Credentials};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::LocalSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    client::{LocalExecutor, Outcome},
    contender::Origins,
};

/// A request that has it leaves its headers behind.
pub const PROBE: &str = "x-probe";

/// A request that has it gets its answer only after [`SLOWNESS`].
pub const SLOW: &str = "x-slow";
const SLOWNESS: Duration = Duration::from_secs(10);

/// A token response as servers send it: some 700 bytes.
fn answer() -> Bytes {
    let token = "eyJhbGciOiJFUzI1NiJ9".repeat(32);
    let text = format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":300}}");
    Bytes::from(text)
}

/// The server, as long as the process lives.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Where it is called.
    pub origins: Origins,
    seen: Arc<Mutex<Option<HeaderMap>>>,
    accepted: Arc<AtomicU64>,
}

impl Upstream {
    /// Starts it on a thread of its own.
    pub fn start() -> Outcome<Self> {
        let ca = Ca::new("Upstream CA");
        // A proxy calls it by its address.
        let credentials = ca.server_with(&["localhost"], |params| {
            params.subject_alt_names.push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
        });
        let mut listeners = Vec::new();
        let mut listen = |tls| {
            let (listener, address) = bound().map_err(|error| error.to_string())?;
            listeners.push((listener, tls));
            Outcome::Ok(address)
        };
        let origins = Origins {
            plain: listen(None)?,
            tls: listen(Some(acceptor(&credentials, b"http/1.1")?))?,
            tls_http2: listen(Some(acceptor(&credentials, b"h2")?))?,
            ca: ca.pem(),
        };
        let upstream = Self { origins, seen: Arc::default(), accepted: Arc::default() };
        upstream.clone().run(listeners).map_err(|error| error.to_string())?;
        Ok(upstream)
    }

    fn run(self, listeners: Vec<(TcpListener, Option<TlsAcceptor>)>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = async move {
            let listeners = listeners.into_iter();
            let served = listeners.map(|(listener, tls)| self.clone().serve(listener, tls));
            join_all(served).await;
        };
        thread::Builder::new()
            .name("upstream".to_owned())
            .spawn(move || LocalSet::new().block_on(&runtime, serve))?;
        Ok(())
    }

    /// The headers of the last request that was to be remembered.
    pub fn take_seen(&self) -> Option<HeaderMap> {
        self.seen.lock().unwrap().take()
    }

    /// Connections that were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    async fn serve(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let body = answer();
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            self.accepted.fetch_add(1, Relaxed);
            let (upstream, body, tls) = (self.clone(), body.clone(), tls.clone());
            tokio::task::spawn_local(async move {
                let Some(tls) = tls else { return upstream.serve_connection(stream, body, false).await };
                if let Ok(stream) = tls.accept(stream).await {
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    upstream.serve_connection(stream, body, http2).await;
                }
            });
        }
    }

    async fn serve_connection(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin + 'static,
        body: Bytes,
        http2: bool,
    ) {
        let service = service_fn(move |request| {
            let (upstream, body) = (self.clone(), body.clone());
            async move { upstream.respond(request, body).await }
        });
        let io = TokioIo::new(io);
        if http2 {
            drop(http2::Builder::new(LocalExecutor).serve_connection(io, service).await);
        } else {
            drop(http1::Builder::new().serve_connection(io, service).await);
        }
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        body: Bytes,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, incoming) = request.into_parts();
        if head.headers.contains_key(SLOW) {
            tokio::time::sleep(SLOWNESS).await;
        }
        if head.headers.contains_key(PROBE) {
            *self.seen.lock().unwrap() = Some(head.headers);
        }
        let _ = incoming.collect().await;
        let mut response = Response::new(Full::new(body));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

fn bound() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn acceptor(credentials: &Credentials, protocol: &[u8]) -> Outcome<TlsAcceptor> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let Credentials { chain, key } = credentials.clone();
            builder.with_no_client_auth().with_single_cert(chain, key)
        })
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
