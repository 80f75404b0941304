//! A request's line in the access log, which is written when the request ends: with its response, or cancelled.

use std::{rc::Rc, thread, time::Duration};

use http::{StatusCode, Version};

use super::{
    Connection,
    inbound::{Answered, Durations, Record},
    spans::{self, Ended},
    trace_context::RequestTrace,
};
use crate::{
    forward::{ReceivedBytes, ResponseError},
    observe::{
        access::{self, Level, Value},
        log::sample,
        metrics::{BreakOff, Recorder},
    },
    text::{SHORT, bounded, shown},
};

/// A request, until its response has ended or it is cancelled. Its drop writes the line, and exports
/// the spans of a sampled request. `docs/log.md` documents the fields.
#[derive(Debug)]
pub struct AccessEntry {
    pub(super) record: Rc<Record>,
    pub(super) connection: Rc<Connection>,
    received: ReceivedBytes,
    metrics: Recorder,
    /// Bytes of the response's body that were passed to the client's connection.
    sent: u64,
    end: End,
}

/// How the access log says that a defect of the edge has ended a request.
const PANIC: &str = "panic";

/// How a response has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Not yet. If the entry is dropped, the connection or the client's stream has ended.
    Open,
    /// All of it was passed to the client's connection.
    Complete,
    /// The upstream broke it off.
    Broken,
    /// The edge broke it off: `request_timeout` was over.
    TimedOut,
}

impl AccessEntry {
    /// The entry of a request that was received on this connection.
    pub(super) const fn new(
        record: Rc<Record>,
        connection: Rc<Connection>,
        received: ReceivedBytes,
        metrics: Recorder,
    ) -> Self {
        Self { record, connection, received, metrics, sent: 0, end: End::Open }
    }

    /// Counts bytes of the response's body that were passed to the client's connection.
    pub fn count_sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Notes that the whole response was passed to the client's connection, unless the upstream has broken it off.
    pub fn mark_complete(&mut self) {
        if self.end == End::Open {
            self.end = End::Complete;
        }
    }

    /// Notes that the upstream has broken off its response, and why.
    pub fn mark_broken(&mut self, error: &ResponseError) {
        let request_id = self.record.id.to_str().unwrap_or_default();
        tracing::warn!(request_id, error = shown(&error), "a response broke off");
        self.end = End::Broken;
        let cause = self.cause_of(error);
        self.metrics.responses_broken_off.increment(cause);
        if cause == BreakOff::Origin {
            self.blame_origin(error);
        }
    }

    /// What has caused the upstream to break off the response.
    fn cause_of(&self, error: &ResponseError) -> BreakOff {
        let Some(Answered { durations, .. }) = self.record.answered.get() else { return BreakOff::Unclear };
        let since_head = self.record.started.elapsed().saturating_sub(durations.whole);
        if error.is_by_origin(since_head) { BreakOff::Origin } else { BreakOff::Unclear }
    }

    /// Counts the response as a failed one of its origin.
    fn blame_origin(&self, error: &ResponseError) {
        if let (Some(Answered { status, .. }), Some((domain, _)), Some(origin)) =
            (self.record.answered.get(), &*self.record.routed.borrow(), self.record.tried.last())
        {
            domain.target.record_broken_off(origin, *status, error);
        }
    }

    /// Notes that the edge breaks off the response, since `request_timeout` is over.
    pub const fn mark_timed_out(&mut self) {
        self.end = End::TimedOut;
    }

    /// Who or what has ended the response early, or cancelled the request.
    fn aborted(&self) -> Option<&'static str> {
        match self.end {
            End::Open if thread::panicking() => Some(PANIC),
            End::Open => Some(self.connection.ended_by()),
            End::Broken => Some("upstream"),
            End::TimedOut => Some("request_timeout"),
            End::Complete => None,
        }
    }

    /// Writes the line, unless it is not to be logged. `answered` is none for a request that was cancelled before.
    fn write(&self, Ended { answered, aborted }: Ended<'_>, durations: Durations) {
        let Self { record, connection, .. } = self;
        let status = answered.map(|answered| answered.status.as_u16());
        let refused = answered.and_then(|answered| answered.refused.as_ref());
        let is_success =
            refused.is_none() && self.end == End::Complete && status.is_some_and(|status| status < 400);
        let (is_sampled, sampled) = if is_success { sample(record.id.as_bytes()) } else { (true, None) };
        let has_failed = self.end == End::Broken
            || status.is_some_and(|status| status >= 500)
            || aborted.is_some_and(|by| by == PANIC);
        let level = if has_failed { Level::Warn } else { Level::Info };
        if !is_sampled || !level.is_on() {
            return;
        }
        let is_unauthorized = status == Some(StatusCode::UNAUTHORIZED.as_u16()) && refused.is_some();
        let (claimed, authenticated) = (record.client_id.borrow(), record.authenticated.borrow());
        let client =
            authenticated.as_ref().map(|(application, _)| &application.client_id).or(claimed.as_ref());
        let credential =
            authenticated.as_ref().and_then(|(application, index)| application.credential_at((*index)?));
        let checked = record.checked.borrow();
        let contradicted = checked.as_ref().and_then(|checked| checked.contradicted.as_deref());
        let only_outside = checked.as_ref().and_then(|checked| checked.only_outside.as_deref());
        let routed = record.routed.borrow();
        let routed = routed.as_ref();
        let upstream = routed.filter(|_| durations.upstream.is_some()).map(|(domain, _)| &domain.target);
        let origin = upstream.zip(record.tried.last()).and_then(|(target, index)| target.origin_url(index));
        let microseconds =
            |duration: Duration| Value::Number(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        access::write(
            level,
            &[
                ("request_id", record.id.to_str().ok().map(Value::Token)),
                ("method", Some(Value::Token(&bounded(record.method.as_str(), SHORT)))),
                ("path", Some(Value::Text(record.uri.path()))),
                ("protocol", Some(Value::Token(protocol(record.version)))),
                ("status", status.map(|status| Value::Number(status.into()))),
                ("microseconds", Some(microseconds(durations.whole))),
                ("client_id", client.map(|id| Value::Text(id.as_str()))),
                ("credential", credential.map(|credential| Value::Word(credential.name))),
                ("code", refused.map(|(code, _)| Value::Token(code))),
                ("reason", refused.map(|(_, reason)| Value::Text(reason))),
                ("route", routed.map(|(_, route)| Value::Word(route.path()))),
                ("upstream", upstream.map(|target| Value::Word(&target.spec.name))),
                ("origin", origin.map(Value::Word)),
                ("upstream_microseconds", durations.upstream.map(microseconds)),
                ("bytes_in", Some(Value::Number(self.received.get()))),
                ("bytes_out", Some(Value::Number(self.sent))),
                ("aborted", aborted.map(Value::Token)),
                ("authorization_request", checked.as_ref().map(|checked| Value::Token(checked.outcome))),
                ("contradicted", contradicted.map(Value::Word)),
                ("only_outside", only_outside.map(Value::Word)),
                ("sampled", sampled.map(Value::Decimal)),
                ("trace_id", record.trace.as_ref().and_then(RequestTrace::sampled_id).map(Value::Token)),
            ],
            [
                Some(connection.log_fields()),
                connection.identity.as_deref().and_then(|identity| identity.log_fields(is_unauthorized)),
            ],
        );
    }
}

impl Drop for AccessEntry {
    fn drop(&mut self) {
        let answered = self.record.answered.get();
        let ended = Ended { answered, aborted: self.aborted() };
        match answered {
            Some(answered) => self.write(ended, answered.durations),
            None => self.write(ended, self.record.durations()),
        }
        spans::export(&self.record, &self.connection, ended);
    }
}

/// The version as clients and other servers write it.
const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        net::{IpAddr, Ipv4Addr},
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use http::{HeaderValue, Request};

    use super::*;
    use crate::{
        observe::metrics::{CloseReason, KeyExchange, Registry, TlsSession},
        request::{ClientAddress, Negotiated, connection::BrokenOff},
    };

    /// Notes what the log would say of an entry that is dropped.
    struct Noted<'a>(AccessEntry, &'a Cell<Option<&'static str>>);

    impl Drop for Noted<'_> {
        fn drop(&mut self) {
            self.1.set(self.0.aborted());
        }
    }

    fn entry(broken_off: Option<BrokenOff>) -> AccessEntry {
        let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        let address = ClientAddress { ip, trusted_proxy: false, local_port: 443 };
        let session = TlsSession { is_tls13: true, group: KeyExchange::X25519, is_resumed: false };
        let negotiated = Negotiated { session, cipher: "TLS_AES_128_GCM_SHA256" };
        let connection = Rc::new(Connection::new(address, "a.example".into(), None, negotiated));
        if let Some(why) = broken_off {
            connection.mark_broken_off(why);
        }
        let (head, ()) = Request::new(()).into_parts();
        let record = Rc::new(Record::new(&head, (HeaderValue::from_static("id"), None)));
        AccessEntry::new(record, connection, ReceivedBytes::default(), Registry::default().recorder())
    }

    #[test]
    fn a_panic_is_not_said_to_be_the_clients() {
        let noted = Cell::new(None);
        drop(Noted(entry(None), &noted));
        assert_eq!(noted.get(), Some("client"));
        for broken_off in [None, Some(BrokenOff::Counted(CloseReason::Evicted))] {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _noted = Noted(entry(broken_off), &noted);
                panic!("in the task of a request");
            }));
            assert!(panicked.is_err());
            assert_eq!(noted.get(), Some("panic"));
        }
        let mut complete = entry(None);
        complete.mark_complete();
        drop(Noted(complete, &noted));
        assert_eq!(noted.get(), None);
    }
}
