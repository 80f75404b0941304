//! The body of a response to the application.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{early_response::EarlyResponse, idle::Stream, in_flight::InFlightGuard, lease::Lease};
use crate::h1;

/// A body that the edge made or that is streamed from the upstream.
pub struct ResponseBody(Source);

enum Source {
    Edge(Bytes),
    Upstream(Streamed),
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
    Http2 { body: Incoming, stream: Box<Stream>, _in_use: InFlightGuard },
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
    pub(super) fn http2(body: Incoming, limit: Duration, stream: Stream, in_flight: InFlightGuard) -> Self {
        Self(Source::Upstream(Streamed {
            from: Upstream::Http2 { body, stream: Box::new(stream), _in_use: in_flight },
            limit,
            timer: None,
        }))
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
                early.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(ResponseError::from)))
            }
            Self::Http2 { body, .. } => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(ResponseError::from))),
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

impl Streamed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        if let Poll::Ready(frame) = self.from.poll_frame(cx) {
            self.timer = None;
            return Poll::Ready(frame);
        }
        let limit = self.limit;
        let sleep = self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        ready!(sleep.as_mut().poll(cx));
        match &mut self.from {
            Upstream::Http1(lease) => lease.close(),
            Upstream::Http2 { stream, .. } => stream.retire(),
            Upstream::Early(_) => {}
        }
        Poll::Ready(Some(Err(ResponseError::Stalled(limit))))
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
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Edge(bytes) => bytes.is_empty(),
            Source::Upstream(streamed) => streamed.from.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Edge(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Source::Upstream(streamed) => streamed.from.size_hint(),
        }
    }
}
