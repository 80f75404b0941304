//! A request on its way out.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::request::Parts;
use http_body::Body;
use tokio::io::AsyncWrite;

use super::{
    Fault,
    request::{self, Framing},
    wire::Io,
};
use crate::forward::RequestBody;

/// So much of a body is put together before it is written, in bytes.
const WRITE: usize = 16 * 1024;

/// How far a request is.
pub(super) struct Upload {
    /// Written by us, not yet by the stream, which has taken so much.
    out: Vec<u8>,
    taken: usize,
    is_flushed: bool,
    framing: Framing,
    /// What is still to come.
    body: Option<RequestBody>,
}

impl Upload {
    /// Nothing to send.
    pub(super) const fn none() -> Self {
        Self { out: Vec::new(), taken: 0, is_flushed: true, framing: Framing::None, body: None }
    }

    /// A request of which nothing is sent yet.
    pub(super) fn of(head: &Parts, body: RequestBody) -> Self {
        let framing = Framing::of(&body);
        let beside = match framing {
            Framing::Length(length) => usize::try_from(length).unwrap_or(WRITE).min(WRITE),
            _ => 0,
        };
        let mut out = Vec::with_capacity(request::size(head) + beside);
        request::head(&mut out, head, framing);
        let body = (framing != Framing::None).then_some(body);
        Self { out, taken: 0, is_flushed: false, framing, body }
    }

    /// Whether all of it is out.
    pub(super) const fn is_over(&self) -> bool {
        self.body.is_none() && self.out.is_empty() && self.is_flushed
    }

    /// Sends as much as is there and as the stream takes; ready when all is out.
    pub(super) fn poll(&mut self, io: &mut Box<dyn Io>, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while !self.is_over() {
            let more = match self.poll_body(cx) {
                // Nothing more of it is of use, and it is not asked again.
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
                more => more,
            };
            while let Some(rest) = self.out.get(self.taken..).filter(|rest| !rest.is_empty()) {
                match ready!(Pin::new(&mut *io).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(Fault::Io(std::io::ErrorKind::WriteZero.into()))),
                    taken => self.taken += taken,
                }
            }
            // An idle connection keeps nothing.
            self.out = Vec::new();
            self.taken = 0;
            if self.body.is_none() || more.is_pending() {
                ready!(Pin::new(&mut *io).poll_flush(cx))?;
                self.is_flushed = true;
            }
            ready!(more)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Puts together what of the body is there: pending if it was less than could be written.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while let Some(body) = &mut self.body
            && self.out.len() < WRITE
        {
            let Some(frame) = ready!(Pin::new(&mut *body).poll_frame(cx)) else {
                self.body = None;
                return Poll::Ready(self.end());
            };
            let Ok(data) = frame.map_err(|_| Fault::Body)?.into_data() else { continue };
            self.is_flushed = false;
            if !request::piece(&mut self.out, &mut self.framing, &data) {
                return Poll::Ready(Err(Fault::Length));
            }
            if body.is_end_stream() {
                self.body = None;
                return Poll::Ready(self.end());
            }
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.is_flushed = false;
        if request::end(&mut self.out, self.framing) { Ok(()) } else { Err(Fault::Length) }
    }
}
