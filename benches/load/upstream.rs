//! The authorization server of a run: answers every request with the same token response, over kept HTTP/1.1 connections.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::task::LocalSet;

/// A request that has it leaves its headers behind.
pub const PROBE: &str = "x-probe";

/// A token response as servers send it: some 700 bytes.
fn answer() -> Bytes {
    let token = "eyJhbGciOiJFUzI1NiJ9".repeat(32);
    let text = format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":300}}");
    Bytes::from(text)
}

/// The server, as long as the process lives.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Option<HeaderMap>>>,
}

impl Upstream {
    /// Starts it on a thread of its own.
    pub fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let upstream = Self { address: listener.local_addr()?, seen: Arc::default() };
        let served = upstream.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name("upstream".to_owned())
            .spawn(move || LocalSet::new().block_on(&runtime, served.serve(listener)))?;
        Ok(upstream)
    }

    /// The headers of the last request that was to be remembered.
    pub fn take_seen(&self) -> Option<HeaderMap> {
        self.seen.lock().unwrap().take()
    }

    async fn serve(self, listener: TcpListener) {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let body = answer();
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (upstream, body) = (self.clone(), body.clone());
            let service = service_fn(move |request| {
                let (upstream, body) = (upstream.clone(), body.clone());
                async move { upstream.respond(request, body).await }
            });
            tokio::task::spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        body: Bytes,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, incoming) = request.into_parts();
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
