//! A response's body on its way to the application.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    connect::Http1,
    pool::{Idle, Upstream},
};

/// A body that the edge made or that the upstream streams.
pub struct ResponseBody(Source);

enum Source {
    Own(Bytes),
    Upstream(Streamed),
}

struct Streamed {
    body: Upstream,
    /// Time between two frames.
    limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// The HTTP/1.1 connection, to be given back once the body was read.
    connection: Option<(Http1, Idle)>,
}

/// Why a response broke off while it was streamed; the application sees its connection or stream end.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    /// The upstream broke off.
    #[error("the upstream broke off in its response: {0}")]
    Broken(#[from] hyper::Error),
    /// The upstream stopped sending.
    #[error("the upstream sent nothing of its response for {0:?}")]
    Stalled(Duration),
}

impl ResponseBody {
    /// A body that the edge made.
    #[must_use]
    pub fn own(bytes: impl Into<Bytes>) -> Self {
        Self(Source::Own(bytes.into()))
    }

    pub(super) fn http1(body: Upstream, limit: Duration, connection: Http1, idle: Idle) -> Self {
        let mut streamed = Streamed { body, limit, stalled: None, connection: Some((connection, idle)) };
        if streamed.body.is_end_stream() {
            streamed.finish();
        }
        Self(Source::Upstream(streamed))
    }

    pub(super) fn http2(body: Upstream, limit: Duration) -> Self {
        Self(Source::Upstream(Streamed { body, limit, stalled: None, connection: None }))
    }
}

impl Streamed {
    fn finish(&mut self) {
        if let Some((connection, idle)) = self.connection.take() {
            idle.put(connection);
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.stalled = None;
                match &frame {
                    None => self.finish(),
                    // Whoever sends it on does not ask again after trailers, or after the last byte.
                    Some(Ok(frame)) if frame.is_trailers() || self.body.is_end_stream() => self.finish(),
                    Some(_) => {}
                }
                Poll::Ready(frame.map(|frame| frame.map_err(ResponseError::from)))
            }
            Poll::Pending => {
                let limit = self.limit;
                let sleep = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
                ready!(sleep.as_mut().poll(cx));
                Poll::Ready(Some(Err(ResponseError::Stalled(limit))))
            }
        }
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
            Source::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Upstream(streamed) => streamed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Own(bytes) => bytes.is_empty(),
            Source::Upstream(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Own(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Source::Upstream(streamed) => streamed.body.size_hint(),
        }
    }
}
