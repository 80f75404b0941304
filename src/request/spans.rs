//! The spans of a request that is sampled, by OpenTelemetry's semantic conventions for HTTP. `docs/traces.md` documents the attributes.

use std::{fmt::Display, time::SystemTime};

use http::{Method, Version};

use super::{
    Connection,
    connection::CLIENT,
    inbound::{Answered, Record},
    trace_context::{RequestTrace, Sampled},
};
use crate::{
    forward::Address,
    text::{SHORT, SHOWN, bounded},
    trace::{Attribute, Kind, Origin, Span, Value as Is},
};

/// How a request has ended.
#[derive(Clone, Copy)]
pub(super) struct Ended<'a> {
    /// The answer; none if the request was cancelled before.
    pub(super) answered: Option<&'a Answered>,
    /// What broke off the response or cancelled the request.
    pub(super) aborted: Option<&'static str>,
}

impl Ended<'_> {
    /// The code of the refusal, if the edge refused the request.
    fn code(&self) -> Option<&'static str> {
        self.answered?.refused.as_ref().map(|(code, _)| *code)
    }

    /// What kind of error it is, if it is one.
    fn error(&self, is_error: impl FnOnce(&Answered) -> bool) -> Option<Is> {
        if self.aborted.is_some_and(|by| by != CLIENT) {
            return Some(short("aborted"));
        }
        let answered = self.answered.filter(|answered| is_error(answered))?;
        Some(self.code().map_or_else(|| short(answered.status.as_str()), short))
    }
}

/// Exports the spans of a request that ends now, if it is sampled.
pub(super) fn export(record: &Record, connection: &Connection, ended: Ended<'_>) {
    let Some(sampled) = record.trace.as_ref().and_then(RequestTrace::sampled) else { return };
    let end = sampled.started + record.durations().whole;
    let mut spans = vec![server(sampled, record, connection, ended, end)];
    spans.extend(client(sampled, record, ended, end));
    sampled.queue.push(spans);
}

/// The span of the whole request.
fn server(
    sampled: &Sampled,
    record: &Record,
    connection: &Connection,
    ended: Ended<'_>,
    end: SystemTime,
) -> Span {
    let (claimed, authenticated) = (record.client_id.borrow(), record.authenticated.borrow());
    let application = authenticated.as_ref().map(|(application, _)| application);
    let client = application.map(|application| &application.client_id).or(claimed.as_ref());
    let credential =
        authenticated.as_ref().and_then(|(application, index)| application.credential_at((*index)?));
    let checked = record.checked.borrow();
    let session = connection.negotiated().session;
    let (method, original) = method(&record.method);
    let routed = record.routed.borrow();
    let route = routed.as_ref().map(|(_, route)| bounded(route.path(), SHORT));
    let name = match &route {
        Some(route) => format!("{} {route}", span_method(method)),
        None => span_method(method).to_owned(),
    };
    let status = ended.answered.map(|answered| Is::Number(answered.status.as_u16().into()));
    let error = ended.error(|answered| answered.status.is_server_error());
    Span {
        trace_id: sampled.trace_id,
        id: sampled.ids[0],
        origin: sampled.origin,
        name,
        kind: Kind::Server,
        start: sampled.started,
        end,
        is_error: error.is_some(),
        attributes: attributes([
            ("http.request.method", Some(short(method))),
            ("http.request.method_original", original.map(short)),
            ("http.response.status_code", status),
            ("http.route", route.map(|route| Is::Text(route.into_owned()))),
            ("url.path", Some(text(record.uri.path()))),
            ("url.scheme", Some(short("https"))),
            ("server.address", Some(text(&connection.server_name))),
            ("server.port", Some(Is::Number(connection.address.local_port.into()))),
            ("client.address", connection.from.text.to_str().ok().map(short)),
            ("network.protocol.version", Some(short(protocol(record.version)))),
            ("tls.protocol.version", Some(short(session.version()))),
            ("tls.resumed", Some(Is::Flag(session.is_resumed))),
            ("error.type", error),
            ("mtls_edge.request_id", record.id.to_str().ok().map(short)),
            ("mtls_edge.code", ended.code().map(short)),
            ("mtls_edge.aborted", ended.aborted.map(short)),
            ("mtls_edge.client_id", client.map(|id| text(id.as_str()))),
            ("mtls_edge.auth_method", application.map(|of| short(of.method.kind().as_str()))),
            ("mtls_edge.credential", credential.map(|credential| short(credential.name))),
            ("mtls_edge.authorization_request", checked.as_ref().map(|checked| short(checked.outcome))),
        ]),
    }
}

/// The span of the exchange with the upstream, if there was one.
fn client(sampled: &Sampled, record: &Record, ended: Ended<'_>, end: SystemTime) -> Option<Span> {
    let sent_at = record.sent_at.get()?;
    let start = sampled.started + sent_at.saturating_duration_since(record.started);
    // Without a response, the status is the edge's own, and the exchange was over when that was sent.
    let failed = ended.answered.filter(|answered| answered.refused.is_some());
    let end = failed.map_or(end, |answered| sampled.started + answered.durations.whole);
    let answered = ended.answered.filter(|answered| answered.refused.is_none());
    let error = ended.error(|answered| answered.refused.is_some() || answered.status.as_u16() >= 400);
    let routed = record.routed.borrow();
    let (domain, _) = routed.as_ref()?;
    let target = &domain.target.spec;
    let address = record.tried.last().and_then(|index| target.origins.get(index));
    let network = address.and_then(Address::network);
    let host = network.map_or_else(|| address.map(Address::url), |origin| Some(origin.host.clone()));
    let (method, original) = method(&record.method);
    let resends = record.tried.resends();
    Some(Span {
        trace_id: sampled.trace_id,
        id: sampled.ids[1],
        origin: Origin::Local(sampled.ids[0]),
        name: span_method(method).to_owned(),
        kind: Kind::Client,
        start,
        end,
        is_error: error.is_some(),
        attributes: attributes([
            ("http.request.method", Some(short(method))),
            ("http.request.method_original", original.map(short)),
            ("http.request.resend_count", (resends > 0).then(|| Is::Number(resends.into()))),
            ("http.response.status_code", answered.map(|of| Is::Number(of.status.as_u16().into()))),
            ("url.full", network.map(|origin| text(format_args!("{}{}", origin.url(), record.uri.path())))),
            ("server.address", host.map(text)),
            ("server.port", network.map(|origin| Is::Number(origin.port.into()))),
            ("error.type", error),
            ("mtls_edge.upstream", Some(short(&target.name))),
        ]),
    })
}

fn attributes(all: impl IntoIterator<Item = (&'static str, Option<Is>)>) -> Vec<Attribute> {
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn text(value: impl Display) -> Is {
    Is::Text(bounded(&value.to_string(), SHOWN).into_owned())
}

fn short(value: impl AsRef<str>) -> Is {
    Is::Text(bounded(value.as_ref(), SHORT).into_owned())
}

/// A method by OpenTelemetry's conventions, and the original one if these do not know it.
fn method(method: &Method) -> (&str, Option<&str>) {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS
        | Method::TRACE
        | Method::CONNECT => (method.as_str(), None),
        _ => (OTHER, Some(method.as_str())),
    }
}

const OTHER: &str = "_OTHER";

/// A method in the name of a span.
fn span_method(method: &str) -> &str {
    if method == OTHER { "HTTP" } else { method }
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
