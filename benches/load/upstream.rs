//! The authorization server of a run: it answers every request with the same token response, over connections that stay open.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rcgen::SanType;
use testkit::{
    Ca, background,
    scripted::{Scripted, acceptor, serve_http},
};
use tokio_rustls::TlsAcceptor;

use super::contender::Origins;

/// Requests with this header have their headers recorded.
pub const PROBE: &str = "x-probe";

/// Requests with this header are answered after [`SLOWNESS`] only.
pub const SLOW: &str = "x-slow";
const SLOWNESS: Duration = Duration::from_secs(10);

/// A token response as servers send it: some 700 bytes.
fn answer() -> Bytes {
    let token = "eyJhbGciOiJFUzI1NiJ9".repeat(32);
    let text = format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":300}}");
    Bytes::from(text)
}

/// The server, on a thread of its own.
#[derive(Clone)]
pub struct Upstream {
    /// Where it is called.
    pub origins: Origins,
    seen: Seen,
    listeners: Arc<[Scripted; 3]>,
}

/// The headers of the last request to be recorded.
type Seen = Arc<Mutex<Option<HeaderMap>>>;

impl Upstream {
    /// Starts it.
    pub fn start() -> Self {
        let ca = Ca::new("Upstream CA");
        // A proxy calls it by its address.
        let credentials = ca.server_with(&["localhost"], |params| {
            params.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
        });
        let seen = Seen::default();
        let acceptors = [None, Some("http/1.1"), Some("h2")]
            .map(|protocol| protocol.map(|protocol| acceptor(&credentials, &[protocol])));
        let listening = {
            let seen = Arc::clone(&seen);
            let [plain, tls, tls_http2] = acceptors.map(|acceptor| (acceptor, Arc::clone(&seen)));
            background("upstream", async || [listen(plain).await, listen(tls).await, listen(tls_http2).await])
        };
        let [plain, tls, tls_http2] = [0, 1, 2].map(|index: usize| listening[index].address);
        let origins = Origins { plain, tls, tls_http2, ca: ca.pem() };
        Self { origins, seen, listeners: Arc::new(listening) }
    }

    /// The headers of the last request to be recorded.
    pub fn take_seen(&self) -> Option<HeaderMap> {
        self.seen.lock().unwrap().take()
    }

    /// The number of connections so far.
    pub fn accepted(&self) -> usize {
        self.listeners.iter().map(Scripted::accepted).sum()
    }
}

async fn listen((tls, seen): (Option<TlsAcceptor>, Seen)) -> Scripted {
    let body = answer();
    Scripted::start(move |_, stream| {
        let (tls, seen, body) = (tls.clone(), Arc::clone(&seen), body.clone());
        async move {
            let _ = stream.set_nodelay(true);
            let respond = move |request| respond(request, Arc::clone(&seen), body.clone());
            let Some(tls) = tls else { return serve_http(stream, false, respond).await };
            if let Ok(stream) = tls.accept(stream).await {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                serve_http(stream, http2, respond).await;
            }
        }
    })
    .await
}

async fn respond(request: Request<Incoming>, seen: Seen, body: Bytes) -> Response<Full<Bytes>> {
    let (head, incoming) = request.into_parts();
    if head.headers.contains_key(SLOW) {
        tokio::time::sleep(SLOWNESS).await;
    }
    if head.headers.contains_key(PROBE) {
        *seen.lock().unwrap() = Some(head.headers);
    }
    let _ = incoming.collect().await;
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
