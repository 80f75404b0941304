//! A response body as hyper sends it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::life::Request;
use crate::{forward::ResponseBody, request::AccessEntry};

/// A response body that records its progress and its end in the connection's life, and in the access log.
pub(super) struct Tracked {
    body: ResponseBody,
    in_flight: Request,
    entry: AccessEntry,
}

impl Tracked {
    pub(super) const fn new(body: ResponseBody, in_flight: Request, entry: AccessEntry) -> Self {
        Self { body, in_flight, entry }
    }

    fn mark_complete(&mut self) {
        self.in_flight.mark_complete();
        self.entry.mark_complete();
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // An empty body is never polled, and a body whose stream was reset is not polled to its end.
        if self.body.is_end_stream() {
            self.mark_complete();
        } else if self.in_flight.is_timed_out() {
            self.entry.mark_timed_out();
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
        match &frame {
            Some(Ok(frame)) => self.entry.count_sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(error)) => self.entry.mark_broken(error),
            None => self.mark_complete(),
        }
        // The end is recorded when this is dropped.
        if !self.body.is_end_stream() {
            self.in_flight.note_progress();
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
