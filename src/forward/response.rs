//! The body of a response to the application.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    body::{Progress, State},
    early_response::EarlyResponse,
    health::OriginHealth,
    idle::Stream,
    in_flight::InFlightGuard,
    lease::Lease,
};
use crate::h1;

/// How soon after its head a response breaks off by the origin's fault. Later, a client that reads slowly may be the cause: servers give up
/// sending when nobody reads.
const SOON: Duration = Duration::from_secs(10);

/// A body that the edge made or that is streamed from the upstream.
pub struct ResponseBody(Source);

enum Source {
    Edge(Bytes),
    Upstream(Streamed),
    /// After another response of the origin broke off. Boxed, so that other responses have no place for it.
    Proving(Box<Proving>),
}

/// A body whose end is recorded in the state of its origin.
struct Proving {
    streamed: Streamed,
    origin: Arc<OriginHealth>,
}

struct Streamed {
    from: Upstream,
    /// The longest time between two frames.
    limit: Duration,
    /// Runs while no frame is available.
    timer: Option<Pin<Box<Sleep>>>,
}

/// The origin of a body's frames.
enum Upstream {
    /// An HTTP/1.1 connection, released when the body was read.
    Http1(Lease),
    /// A task that still sends the request.
    Early(EarlyResponse),
    /// An HTTP/2 stream.
    Http2 { body: Incoming, used: Box<UsedStream> },
}

/// An HTTP/2 stream, with the progress of its request's body.
pub(super) struct UsedStream {
    stream: Stream,
    _in_use: InFlightGuard,
    progress: Progress,
}

impl UsedStream {
    pub(super) const fn new(stream: Stream, in_flight: InFlightGuard, progress: Progress) -> Self {
        Self { stream, _in_use: in_flight, progress }
    }

    fn failed(&self, error: hyper::Error) -> ResponseError {
        let error = ResponseError::Http2(error);
        match self.progress.state() {
            State::Buffered | State::Sent(_) => error,
            State::Sending | State::Failed(_) => error.ambiguous(),
        }
    }
}

/// Why a streamed response is incomplete. The edge closes the application's connection or resets its stream.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    /// The HTTP/1.1 connection to the upstream failed.
    #[error("the response of the upstream ended early: {0}")]
    Http1(#[from] h1::Error),
    /// The HTTP/2 connection or stream of the upstream failed.
    #[error("the response of the upstream ended early: {0}")]
    Http2(#[from] hyper::Error),
    /// The upstream sent nothing for this time.
    #[error("no response data from the upstream for {0:?}")]
    Stalled(Duration),
    /// One of these, which what clients send or do not read may have caused.
    #[error(transparent)]
    Ambiguous(Box<Self>),
}

impl ResponseError {
    /// Whether the origin has caused it, so long after the response's head.
    #[must_use]
    pub fn is_by_origin(&self, since_head: Duration) -> bool {
        match self {
            Self::Http1(_) | Self::Http2(_) => since_head < SOON,
            Self::Stalled(_) => true,
            Self::Ambiguous(_) => false,
        }
    }

    fn ambiguous(self) -> Self {
        Self::Ambiguous(Box::new(self))
    }
}

impl ResponseBody {
    /// A body that the edge made.
    #[must_use]
    pub fn from_edge(bytes: impl Into<Bytes>) -> Self {
        Self(Source::Edge(bytes.into()))
    }

    /// The body of an HTTP/1.1 response, with the longest time between two frames.
    pub(super) fn http1(mut lease: Lease, limit: Duration) -> Self {
        let early = lease.take_if(|http1| !http1.is_request_sent() && !http1.is_end_stream());
        let from = if let Some((connection, idle)) = early {
            Upstream::Early(EarlyResponse::new(connection, idle))
        } else {
            lease.release_if_complete();
            Upstream::Http1(lease)
        };
        Self(Source::Upstream(Streamed { from, limit, timer: None }))
    }

    /// The body of an HTTP/2 response, with the longest time between two frames.
    pub(super) fn http2(body: Incoming, limit: Duration, used: UsedStream) -> Self {
        let from = Upstream::Http2 { body, used: Box::new(used) };
        Self(Source::Upstream(Streamed { from, limit, timer: None }))
    }

    /// Records its end as that of a response in the state of its origin. Nothing is recorded if it breaks off.
    pub(super) fn prove(&mut self, origin: &Arc<OriginHealth>) {
        match mem::replace(&mut self.0, Source::Edge(Bytes::new())) {
            Source::Upstream(streamed) if !streamed.is_complete() => {
                self.0 = Source::Proving(Box::new(Proving { streamed, origin: Arc::clone(origin) }));
            }
            source => {
                self.0 = source;
                origin.record_response();
            }
        }
    }
}

impl Upstream {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        match self {
            Self::Http1(lease) => {
                let Some(connection) = lease.connection() else { return Poll::Ready(None) };
                let frame = ready!(connection.http1.poll_frame(cx));
                // The sender does not poll again after the last byte.
                lease.release_if_complete();
                Poll::Ready(frame.map(|frame| frame.map_err(ResponseError::from)))
            }
            Self::Early(early) => {
                let unsent = |error| ResponseError::Http1(error).ambiguous();
                early.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(unsent)))
            }
            Self::Http2 { body, used } => {
                let failed = |error| used.failed(error);
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(failed)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(lease) => lease.is_finished(),
            Self::Early(_) => false,
            Self::Http2 { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(lease) => lease.size_hint(),
            Self::Early(_) => SizeHint::default(),
            Self::Http2 { body, .. } => body.size_hint(),
        }
    }
}

impl Proving {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        let frame = ready!(self.streamed.poll_frame(cx));
        // The sender does not poll again after the last byte.
        if frame.as_ref().is_none_or(|frame| frame.is_ok() && self.streamed.is_complete()) {
            self.origin.record_response();
        }
        Poll::Ready(frame)
    }
}

impl Streamed {
    /// Whether nothing of it is left but the end of an HTTP/2 stream.
    fn is_complete(&self) -> bool {
        self.from.is_end_stream() || self.from.size_hint().exact() == Some(0)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        if let Poll::Ready(frame) = self.from.poll_frame(cx) {
            self.timer = None;
            return Poll::Ready(frame);
        }
        let limit = self.limit;
        let sleep = self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        ready!(sleep.as_mut().poll(cx));
        let stalled = ResponseError::Stalled(limit);
        Poll::Ready(Some(Err(match &mut self.from {
            Upstream::Http1(lease) => {
                lease.close();
                stalled
            }
            // Bodies that other clients do not read may use up the connection's window.
            Upstream::Http2 { used, .. } => {
                used.stream.retire();
                stalled.ambiguous()
            }
            Upstream::Early(_) => stalled.ambiguous(),
        })))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        match &mut self.0 {
            Source::Edge(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Edge(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Upstream(streamed) => streamed.poll_frame(cx),
            Source::Proving(proving) => proving.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Edge(bytes) => bytes.is_empty(),
            Source::Upstream(streamed) => streamed.from.is_end_stream(),
            Source::Proving(proving) => proving.streamed.from.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Edge(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Source::Upstream(streamed) => streamed.from.size_hint(),
            Source::Proving(proving) => proving.streamed.from.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_is_not_taken_for_a_failing_origin() {
        let (soon, late) = (Duration::from_secs(9), Duration::from_secs(10));
        let incomplete = || ResponseError::Http1(h1::Error::Incomplete);
        assert!(incomplete().is_by_origin(soon) && !incomplete().is_by_origin(late));
        // The edge has waited for the origin.
        assert!(ResponseError::Stalled(late).is_by_origin(late));
        let ambiguous = incomplete().ambiguous();
        assert!(!ambiguous.is_by_origin(soon));
        assert_eq!(ambiguous.to_string(), incomplete().to_string());
    }
}
