//! A real HTTP server that records what reaches it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// A request as it reached the upstream.
#[derive(Clone, Debug)]
pub struct Seen {
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Seen {
    /// The one value of a header; fails where there is none, or several.
    pub fn header(&self, name: &str) -> String {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert_eq!(values.len(), 1, "{name}: {values:?} of {:?}", self.headers);
        values[0].to_str().unwrap().to_owned()
    }
}

/// An upstream on a loopback port. It ends with the test.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Answers every request with 200 and `{"ok":true}`.
    pub async fn start() -> Self {
        Self::answering(|_| Response::new(Full::new(Bytes::from_static(b"{\"ok\":true}")))).await
    }

    /// Answers as told, over HTTP/1.1.
    pub async fn answering<F>(answer: F) -> Self
    where
        F: Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (recorded, answer) = (Arc::clone(&seen), Arc::new(answer));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (recorded, answer) = (Arc::clone(&recorded), Arc::clone(&answer));
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let (recorded, answer) = (Arc::clone(&recorded), Arc::clone(&answer));
                        async move {
                            let seen = record(request).await;
                            let response = answer(&seen);
                            recorded.lock().unwrap().push(seen);
                            Ok::<_, Infallible>(response)
                        }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, seen, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Lets go of what was recorded, for tests of very many requests.
    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// The last request.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the upstream saw no request")
    }
}

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

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}
