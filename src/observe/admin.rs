//! The admin address: `/healthz`, `/readyz`, `/metrics`, `/status`, over plain HTTP/1.1.

use std::{
    convert::Infallible,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use super::{Counters, Reloads};
use crate::site::SiteHandle;

/// Connections to the admin address at once; more wait.
const CONNECTIONS: usize = 64;

/// What the admin address reports on.
#[derive(Debug)]
pub struct Health {
    /// False until all workers listen, and again once the edge drains.
    pub ready: AtomicBool,
    /// The counters.
    pub counters: Arc<Counters>,
    /// The trust in force.
    pub site: SiteHandle,
    /// What became of reloads.
    pub reloads: Arc<Reloads>,
    /// Free places for connections, of `bound`.
    pub places: Arc<Semaphore>,
    /// The bound on open connections.
    pub bound: usize,
}

/// Serves the admin address until the future is dropped.
pub async fn serve(listener: TcpListener, health: Arc<Health>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the admin address can't accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let health = Arc::clone(&health);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &health);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            let _ = tokio::time::timeout(Duration::from_secs(300), connection).await;
            drop(place);
        });
    }
}

fn answer(request: &Request<Incoming>, health: &Health) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if health.ready.load(Ordering::Acquire) => text(StatusCode::OK, "ready\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        "/metrics" => {
            let open = health.bound.saturating_sub(health.places.available_permits());
            let generation = health.site.load().trust.generation.0;
            text(StatusCode::OK, health.counters.text(open) + &health.reloads.text(generation))
        }
        "/status" => {
            let site = health.site.load();
            let mut domains: Vec<&str> = site.domains.keys().map(AsRef::as_ref).collect();
            domains.sort_unstable();
            let status = serde_json::json!({
                "generation": site.trust.generation.0,
                "ready": health.ready.load(Ordering::Acquire),
                "applications": site.trust.registry.len(),
                "domains": domains,
                "trust": health.reloads.status(),
            });
            let mut response = text(StatusCode::OK, status.to_string());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        _ => text(StatusCode::NOT_FOUND, "/healthz /readyz /metrics /status\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
