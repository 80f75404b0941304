//! The responses, by path.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{State, accept, access, host, html, query::Query, report};
use crate::{export::prometheus, tls::OperatorTls};

/// Responds to a request on the admin address.
pub(super) async fn to_operator(
    request: &Request<Incoming>,
    peer: SocketAddr,
    tls: Option<&Arc<OperatorTls>>,
    state: &Arc<State>,
) -> Response<Full<Bytes>> {
    let site = state.site.load_full();
    if let Err(status) = host::check(request.version(), request.uri(), request.headers(), &site.admin.hosts) {
        let help = "call the admin address by its IP address or as localhost, or add the name to [listen] admin_hosts\n";
        return text(status, help);
    }
    if let Some(response) = health(request, state) {
        return response;
    }
    if !site.admin.has_tls(tls) {
        let mut response =
            text(StatusCode::MISDIRECTED_REQUEST, "the configuration of TLS has changed: connect again\n");
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    if let Err(refused) = access::check(request.headers(), &site.admin) {
        state.refusals.refuse(refused, peer, request.uri().path()).await;
        return unauthorized(refused);
    }
    match request.uri().path() {
        "/metrics" => text(StatusCode::OK, prometheus::text(&state.metrics.collect())),
        "/status" => status(request, state),
        "/status/history" => {
            let series = state.history.series(Instant::now(), &state.metrics.totals());
            document("application/json", serde_json::to_string(&series).unwrap_or_default())
        }
        "/status.css" => document("text/css; charset=utf-8", html::STYLE),
        "/status.js" => document("text/javascript; charset=utf-8", html::SCRIPT),
        "/" => {
            let mut response = text(StatusCode::SEE_OTHER, "/status\n");
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/status"));
            response
        }
        _ => text(StatusCode::NOT_FOUND, "/healthz /readyz /metrics /status /status/history\n"),
    }
}

/// Responds to a request on the address of health checks, whatever its `Host` is: balancers send names of their own.
pub(super) fn to_health_check(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    health(request, state).unwrap_or_else(|| text(StatusCode::NOT_FOUND, "/healthz /readyz\n"))
}

/// The response to a health check, or to a method that no path has; nothing for other paths.
fn health(request: &Request<Incoming>, state: &State) -> Option<Response<Full<Bytes>>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Some(text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n"));
    }
    Some(match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if state.ready.load(Ordering::Acquire) => text(StatusCode::OK, "ready\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        _ => return None,
    })
}

/// Asks for the token: programs send it as Bearer, browsers ask their user for a password.
fn unauthorized(refused: access::Refused) -> Response<Full<Bytes>> {
    let body = match refused {
        access::Refused::Missing => {
            "a token is needed: Authorization: Bearer TOKEN, or the token as password with any user name\n"
        }
        access::Refused::Invalid => "the token is not valid\n",
    };
    let mut response = text(StatusCode::UNAUTHORIZED, body);
    let headers = response.headers_mut();
    for challenge in ["Bearer realm=\"mtls-edge\"", "Basic realm=\"mtls-edge\", charset=\"UTF-8\""] {
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// JSON, or a page if the client prefers HTML.
fn status(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    let mut query = match Query::parse(request.uri().query().unwrap_or_default()) {
        Ok(query) => query,
        Err(help) => return text(StatusCode::BAD_REQUEST, help),
    };
    let is_page = accept::prefers_html(request.headers());
    if is_page {
        query.per_page = html::PER_PAGE;
    }
    let status = report::status(state, &query, state.clock.now());
    let (kind, body) = if is_page {
        let (samples, _) = state.history.samples(Instant::now(), &state.metrics.totals());
        ("text/html; charset=utf-8", html::page(&status, &samples, &query))
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

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
