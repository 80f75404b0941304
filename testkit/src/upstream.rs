//! A real HTTP server that records what reaches it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::{
    Credentials,
    scripted::{Scripted, acceptor, https, serve_http},
};

/// A request as it reached the upstream.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The request target.
    pub uri: Uri,
    /// The header section.
    pub headers: HeaderMap,
    /// The content; empty if it was incomplete.
    pub body: Bytes,
    /// The trailer section.
    pub trailers: Option<HeaderMap>,
}

impl Seen {
    /// The only value of a header; panics if there is none, or several.
    pub fn header(&self, name: &str) -> String {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert_eq!(values.len(), 1, "{name}: {values:?} of {:?}", self.headers);
        values[0].to_str().unwrap().to_owned()
    }
}

/// An upstream on a loopback port. It ends when it is dropped.
pub struct Upstream {
    scripted: Scripted,
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    /// Answers every request with 200 and `{"ok":true}`.
    pub async fn start() -> Self {
        Self::answering(|_| Response::new(Full::new(Bytes::from_static(b"{\"ok\":true}")))).await
    }

    /// Answers every request by this function, over HTTP/1.1.
    pub async fn answering<F>(answer: F) -> Self
    where
        F: Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync + 'static,
    {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (recorded, answer) = (Arc::clone(&seen), Arc::new(answer));
        let scripted = Scripted::start(move |_, stream| {
            let (recorded, answer) = (Arc::clone(&recorded), Arc::clone(&answer));
            serve_http(stream, false, move |request| {
                let (recorded, answer) = (Arc::clone(&recorded), Arc::clone(&answer));
                async move {
                    let seen = record(request).await;
                    let response = answer(&seen);
                    recorded.lock().unwrap().push(seen);
                    response
                }
            })
        })
        .await;
        Self { address: scripted.address, scripted, seen }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.scripted.url()
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Drops the recorded requests, for tests that send very many.
    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// The last request.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the upstream saw no request")
    }
}

/// An upstream over https that records what reaches it, HTTP/2 or HTTP/1.1 by ALPN.
pub struct TlsUpstream {
    scripted: Scripted,
    seen: Arc<Mutex<Vec<(Version, Seen)>>>,
}

impl TlsUpstream {
    /// Answers every request by this function.
    pub async fn answering<F>(credentials: &Credentials, protocols: &[&str], answer: F) -> Self
    where
        F: Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync + 'static,
    {
        let (acceptor, answer) = (acceptor(credentials, protocols), Arc::new(answer));
        let seen: Arc<Mutex<Vec<(Version, Seen)>>> = Arc::default();
        let recorded = Arc::clone(&seen);
        let scripted = Scripted::start(move |_, stream| {
            let (acceptor, answer, recorded) = (acceptor.clone(), Arc::clone(&answer), Arc::clone(&recorded));
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, answer, recorded).await;
                }
            }
        })
        .await;
        Self { scripted, seen }
    }

    /// Its URL, by its DNS name.
    pub fn url(&self) -> String {
        https(&self.scripted)
    }

    /// The number of connections so far.
    pub fn accepted(&self) -> usize {
        self.scripted.accepted()
    }

    /// All requests so far, with the version of HTTP that each came over.
    pub fn seen(&self) -> Vec<(Version, Seen)> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve<F>(stream: TlsStream<TcpStream>, answer: Arc<F>, recorded: Arc<Mutex<Vec<(Version, Seen)>>>)
where
    F: Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let answer = move |request: Request<Incoming>| {
        let (answer, recorded) = (Arc::clone(&answer), Arc::clone(&recorded));
        async move {
            let version = request.version();
            let seen = record(request).await;
            let response = answer(&seen);
            recorded.lock().unwrap().push((version, seen));
            response
        }
    };
    serve_http(stream, http2, answer).await;
}

/// Reads a request whole.
async fn record(request: Request<Incoming>) -> Seen {
    let (head, body) = request.into_parts();
    let collected = body.collect().await;
    let (body, trailers) = match collected {
        Ok(collected) => {
            let trailers = collected.trailers().cloned();
            (collected.to_bytes(), trailers)
        }
        Err(_) => (Bytes::new(), None),
    };
    Seen { uri: head.uri, headers: head.headers, body, trailers }
}
