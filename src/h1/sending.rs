//! Writes a request: its head, then its body as it arrives.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;
use tokio::io::AsyncWrite;

use super::{
    Error, Field,
    io::Io,
    request::{self, Framing},
};

/// How much of a body is collected for one write, in bytes.
const WRITE: usize = 16 * 1024;

/// The progress of a request that is sent.
pub(super) struct Sending<B> {
    /// Encoded bytes, of which the stream has accepted `written`.
    out: Vec<u8>,
    written: usize,
    is_flushed: bool,
    framing: Framing,
    /// The body, until its end is encoded.
    body: Option<B>,
}

impl<B: Body<Data = Bytes> + Unpin> Sending<B> {
    /// A request of which nothing is sent yet.
    pub(super) fn new(head: &Parts, field: Option<Field<'_>>, body: B) -> Self {
        let framing = Framing::of(&body);
        let beside = match framing {
            Framing::Length(length) => usize::try_from(length).unwrap_or(WRITE).min(WRITE),
            _ => 0,
        };
        let mut out = Vec::with_capacity(request::size(head, field) + beside);
        request::head(&mut out, head, field, framing);
        let body = (framing != Framing::None).then_some(body);
        Self { out, written: 0, is_flushed: false, framing, body }
    }

    /// Sends as much as is available and as the stream accepts; ready when the request is sent.
    pub(super) fn poll(&mut self, io: &mut Box<dyn Io>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.is_done() {
            let more = match self.poll_body(cx) {
                // The request cannot be completed: what is encoded of it is not worth sending.
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                more => more,
            };
            while let Some(unsent) = self.out.get(self.written..).filter(|unsent| !unsent.is_empty()) {
                match ready!(Pin::new(&mut *io).poll_write(cx, unsent))? {
                    0 => return Poll::Ready(Err(Error::Io(std::io::ErrorKind::WriteZero.into()))),
                    written => self.written += written,
                }
            }
            // An idle connection holds no buffer.
            self.out = Vec::new();
            self.written = 0;
            if self.body.is_none() || more.is_pending() {
                ready!(Pin::new(&mut *io).poll_flush(cx))?;
                self.is_flushed = true;
            }
            ready!(more)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Encodes what the body has available; pending if that was less than one write.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while let Some(body) = &mut self.body
            && self.out.len() < WRITE
        {
            let Some(frame) = ready!(Pin::new(&mut *body).poll_frame(cx)) else {
                self.body = None;
                return Poll::Ready(self.end());
            };
            let Ok(data) = frame.map_err(|_| Error::Body)?.into_data() else { continue };
            self.is_flushed = false;
            if !request::data(&mut self.out, &mut self.framing, &data) {
                return Poll::Ready(Err(Error::Length));
            }
            if body.is_end_stream() {
                self.body = None;
                return Poll::Ready(self.end());
            }
        }
        Poll::Ready(Ok(()))
    }

    fn end(&mut self) -> Result<(), Error> {
        self.is_flushed = false;
        if request::end(&mut self.out, self.framing) { Ok(()) } else { Err(Error::Length) }
    }
}

impl<B> Sending<B> {
    /// Nothing to send.
    pub(super) const fn none() -> Self {
        Self { out: Vec::new(), written: 0, is_flushed: true, framing: Framing::None, body: None }
    }

    /// Whether the whole request is sent.
    pub(super) const fn is_done(&self) -> bool {
        self.body.is_none() && self.out.is_empty() && self.is_flushed
    }
}
