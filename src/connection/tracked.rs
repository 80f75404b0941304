//! A response body as hyper sends it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::life::Request;
use crate::{forward::ResponseBody, text};

/// A response body that records its progress and its end in the connection's life.
pub(super) struct Tracked {
    body: ResponseBody,
    in_flight: Request,
}

impl Tracked {
    pub(super) const fn new(body: ResponseBody, in_flight: Request) -> Self {
        Self { body, in_flight }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // An empty body is never polled, and a body whose stream was reset is not polled to its end.
        if self.body.is_end_stream() {
            self.in_flight.mark_complete();
        }
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = <ResponseBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() {
            self.in_flight.mark_complete();
        }
        // The end is recorded when this is dropped.
        if !self.body.is_end_stream() {
            self.in_flight.note_progress();
        }
        if let Some(Err(error)) = &frame {
            tracing::warn!(error = text::shown(error), "a response broke off");
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
