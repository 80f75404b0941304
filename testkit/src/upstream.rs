//! A real HTTP server that records what reaches it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use crate::scripted::{Scripted, serve_http};

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

/// Reads a request whole.
pub async fn record(request: Request<Incoming>) -> Seen {
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
