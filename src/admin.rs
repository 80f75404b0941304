//! The admin address: `/healthz`, `/readyz`, `/metrics`, `/status`, over plain HTTP/1.1. It only reads.

mod connections;
mod server;

mod assertion_ids;
mod expiries;
mod health;
mod host;
mod html;
mod report;
mod status;
mod tables;

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
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
use percent_encoding::percent_decode_str;

use self::connections::Connections;
pub use self::{
    assertion_ids::AssertionIds,
    expiries::Expiries,
    server::Server,
    status::{Application, Credential, FetchedSource, Level, Registered, Status},
};
use crate::{
    clock::Clock,
    export::prometheus,
    observe::{Reloads, metrics::Registry},
    site::SiteHandle,
};

/// The admin address if none is configured: `[listen] admin`.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9443);
/// The most open connections to the admin address; a further one closes the oldest that has not sent a request.
pub const CONNECTIONS: usize = 32;
/// For the head of a request, and until the next one on the same connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// For a whole connection.
const LIFETIME: Duration = Duration::from_secs(300);

/// What the admin address reports on.
#[derive(Debug)]
pub struct State {
    /// Set once the edge has started, and cleared when it drains.
    pub ready: AtomicBool,
    /// The metrics.
    pub metrics: Arc<Registry>,
    /// The active site.
    pub site: SiteHandle,
    /// The clock for expiries and ages.
    pub clock: Clock,
    /// The outcomes of reloads.
    pub reloads: Arc<Reloads>,
    /// How the limit of open files is divided.
    pub capacity: Capacity,
}

/// How the limit of open files is divided.
#[derive(Debug)]
pub struct Capacity {
    /// The limit.
    pub descriptors: usize,
    /// Reserved for everything but connections.
    pub reserve: usize,
    /// The most open connections of applications.
    pub connections: usize,
    /// `[limits] connections`, which may be higher.
    pub connections_configured: usize,
    /// The most open connections to upstreams.
    pub upstream: usize,
    /// The warning that was logged if the limit is too low.
    pub shortage: Option<String>,
}

/// Serves the admin address until the future is dropped.
async fn serve(listener: TcpListener, state: Arc<State>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let connections = Connections::default();
    loop {
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on the admin address");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let state = Arc::clone(&state);
        let place = connections.enter();
        let number = place.number();
        let task = tokio::spawn(async move {
            let service = service_fn(move |request| {
                place.mark_requested();
                let response = respond(&request, &state);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            let _ = tokio::time::timeout(LIFETIME, connection).await;
        });
        connections.set_task(number, &task);
    }
}

fn respond(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    let site = state.site.load();
    if let Err(status) = host::check(request.version(), request.uri(), request.headers(), &site.admin_hosts) {
        let help = "call the admin address by its IP address or as localhost, or add the name to [listen] admin_hosts\n";
        return text(status, help);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if state.ready.load(Ordering::Acquire) => text(StatusCode::OK, "ready\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        "/metrics" => text(StatusCode::OK, prometheus::text(&state.metrics.collect())),
        "/status" => status(request, state),
        "/status.css" => document("text/css; charset=utf-8", html::STYLE),
        "/status.js" => document("text/javascript; charset=utf-8", html::SCRIPT),
        "/" => {
            let mut response = text(StatusCode::SEE_OTHER, "/status\n");
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/status"));
            response
        }
        _ => text(StatusCode::NOT_FOUND, "/healthz /readyz /metrics /status\n"),
    }
}

/// JSON, or a page if the client prefers HTML.
fn status(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    let query = match query(request.uri().query().unwrap_or_default()) {
        Ok(query) => query,
        Err(help) => return text(StatusCode::BAD_REQUEST, help),
    };
    let status = report::status(state, &query, state.clock.now());
    let (kind, body) = if html::is_preferred(request.headers()) {
        ("text/html; charset=utf-8", html::page(&status, &query.search))
    } else {
        ("application/json", serde_json::to_string(&status).unwrap_or_default())
    };
    let mut response = document(kind, body);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// A part of the status page. It may load its own style sheet and script, and what that script fetches from this address.
fn document(kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::OK, body);
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `page` of applications, `q` to search them, `client_id` for one of them, `expiring_days` of the list of expiries.
fn query(query: &str) -> Result<report::Query, &'static str> {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let page = value("page").map_or(Some(1), |page| page.parse().ok().filter(|page| *page > 0));
    let days = value("expiring_days").map_or(Some(report::SOON_DAYS), |days| days.parse().ok());
    let decoded = |name: &str| {
        value(name).map(|value| {
            let value = value.replace('+', " ");
            percent_decode_str(&value).decode_utf8_lossy().into_owned()
        })
    };
    Ok(report::Query {
        page: page.ok_or("page is a number from 1\n")?,
        search: decoded("q").unwrap_or_default(),
        client_id: decoded("client_id"),
        expiring_days: days.ok_or("expiring_days is a number of days\n")?,
    })
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
