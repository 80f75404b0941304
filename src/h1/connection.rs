//! The connection: the request that is sent, the response that is received, and what remains between two of them.

use std::{
    pin::pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, response::Parts};
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::unconstrained,
};

use super::{
    Error, Field,
    chunked::{Chunked, Decoded},
    io::Io,
    keep_alive::KeepAlive,
    response::{self, Framing, Head, Scan},
    sending::Sending,
};

/// The size of a read, in bytes.
const MIN_READ: usize = 4 * 1024;
/// The size up to which reads grow while they are filled, in bytes.
const MAX_READ: usize = 64 * 1024;
/// How long an orderly close may take.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// A client connection that carries one request at a time.
pub struct Connection<B> {
    io: Box<dyn Io>,
    sending: Sending<B>,
    receiving: Receiving,
    /// Bytes that are read and not yet decoded.
    read: BytesMut,
    /// The size of the next read.
    read_size: usize,
    /// Whether the last response lets the connection stay open.
    persists: bool,
    keep_alive: KeepAlive,
    /// An empty map whose memory the next response's headers use.
    map: HeaderMap,
}

/// The progress of a response.
enum Receiving {
    /// None is expected, or it is complete.
    None,
    /// Its head is expected.
    Head { method: Method, scan: Scan },
    /// Its body, of which this many bytes are left.
    Length(u64),
    /// Its body, in chunks.
    Chunked(Chunked),
    /// Its body, which ends with the connection.
    Close,
}

impl<B: Body<Data = Bytes> + Unpin> Connection<B> {
    /// A connection on a stream that has carried nothing yet.
    #[must_use]
    pub fn new(io: Box<dyn Io>) -> Self {
        Self {
            io,
            sending: Sending::none(),
            receiving: Receiving::None,
            read: BytesMut::new(),
            read_size: MIN_READ,
            persists: true,
            keep_alive: KeepAlive::default(),
            map: HeaderMap::new(),
        }
    }

    /// Starts a request; [`Self::poll_head`] sends it.
    pub fn start(&mut self, request: Request<B>) {
        self.start_with(request, None);
    }

    /// Starts a request with a field beside its map.
    pub fn start_with(&mut self, request: Request<B>, field: Option<Field<'_>>) {
        if let Some(requests) = &mut self.keep_alive.requests {
            *requests = requests.saturating_sub(1);
        }
        let (mut head, body) = request.into_parts();
        self.sending = Sending::new(&head, field, body);
        head.headers.clear();
        self.map = head.headers;
        self.receiving = Receiving::Head { method: head.method, scan: Scan::default() };
    }

    /// Sends the request as far as possible, and returns the response's head once it is complete.
    ///
    /// # Errors
    ///
    /// If there is no response, or the request cannot be sent.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Parts, Error>> {
        let sent = self.sending.poll(&mut self.io, cx);
        loop {
            let Receiving::Head { method, scan } = &mut self.receiving else {
                return Poll::Ready(Err(Error::Incomplete));
            };
            let head = response::take(&mut self.read, scan, method, &mut self.map);
            if let Some(Head { parts, framing, persists, keep_alive }) =
                head.map_err(|error| self.without_head(error))?
            {
                self.keep_alive = self.keep_alive.followed_by(keep_alive);
                let takes_more = self.keep_alive.requests != Some(0);
                // A head that arrives before the request is sent may be a response to something else.
                self.persists = persists && takes_more && self.sending.is_done();
                if let Poll::Ready(Err(_)) = sent {
                    self.stop_sending();
                }
                self.receiving = match framing {
                    Framing::Length(0) => Receiving::None,
                    Framing::Length(length) => Receiving::Length(length),
                    Framing::Chunked => Receiving::Chunked(Chunked::Size),
                    Framing::Close => Receiving::Close,
                };
                return Poll::Ready(Ok(parts));
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.without_head(Error::Incomplete))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.without_head(error.into()))),
                // A server may respond and close before it has read the whole request: its response counts for more than the
                // failed write. If none comes, a later read reports the end of the connection.
                Poll::Pending => {
                    return match sent {
                        Poll::Ready(Err(Error::Io(_)) | Ok(())) | Poll::Pending => Poll::Pending,
                        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    };
                }
            }
        }
    }

    /// Why there is no head: a server that expects TLS answers a request with an alert, and closes the connection.
    fn without_head(&self, error: Error) -> Error {
        if matches!(*self.read, [21 | 22, 3, ..]) { Error::TlsRecord } else { error }
    }

    /// Sends more of the request after its response has begun.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(_)) = self.sending.poll(&mut self.io, cx) {
            self.stop_sending();
        }
    }

    /// The next frame of the response's body. Sends more of the request, too.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.poll_send(cx);
        loop {
            match self.decode() {
                Ok(Decoded::Incomplete) => {}
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(trailers)) if trailers.is_empty() => return Poll::Ready(None),
                Ok(Decoded::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            if ready!(self.poll_read(cx)).map_err(Error::from)? == 0 {
                if matches!(self.receiving, Receiving::Close) {
                    self.receiving = Receiving::None;
                    return Poll::Ready(None);
                }
                return Poll::Ready(Some(Err(Error::Incomplete)));
            }
        }
    }
}

impl<B> Connection<B> {
    /// Whether the whole request is sent.
    #[must_use]
    pub const fn is_request_sent(&self) -> bool {
        self.sending.is_done()
    }

    /// Whether the response's head is still expected.
    #[must_use]
    pub const fn awaits_head(&self) -> bool {
        matches!(self.receiving, Receiving::Head { .. })
    }

    /// Whether the response is complete.
    #[must_use]
    pub const fn is_end_stream(&self) -> bool {
        matches!(self.receiving, Receiving::None)
    }

    /// Whether the connection can carry another request after this one, as far as is known: the request is sent, and the response
    /// ends before the connection does.
    #[must_use]
    pub const fn is_reusable(&self) -> bool {
        self.persists && self.sending.is_done() && !matches!(self.receiving, Receiving::Close)
    }

    /// The size of the rest of the response's body.
    #[must_use]
    pub fn size_hint(&self) -> SizeHint {
        match self.receiving {
            Receiving::None => SizeHint::with_exact(0),
            Receiving::Length(left) => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }

    /// Releases the buffers between two requests. False if the connection cannot carry another one: because the request or the
    /// response is incomplete, the origin ends it, or bytes arrived after the response.
    #[must_use]
    pub fn reset_for_reuse(&mut self) -> bool {
        let is_clear = self.read.is_empty();
        self.read = BytesMut::new();
        self.read_size = MIN_READ;
        is_clear && self.persists && self.is_end_stream() && self.sending.is_done()
    }

    /// How long the origin keeps the unused connection open, if it has stated that.
    #[must_use]
    pub const fn idle_limit(&self) -> Option<Duration> {
        self.keep_alive.limit
    }

    /// Whether an unused connection is still open: the origin has sent neither its end nor an unsolicited response.
    pub fn is_open(&mut self) -> bool {
        let mut byte = [0];
        // Unconstrained: pending must mean that nothing arrived, not that this task has used up its budget.
        pin!(unconstrained(self.io.read(&mut byte)))
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    }

    /// Closes the connection in an orderly way, in a task of its own.
    pub fn close(self) {
        let mut io = self.io;
        tokio::task::spawn_local(tokio::time::timeout(CLOSE_TIME, async move { io.shutdown().await }));
    }

    /// Decodes the next part of the body from the read buffer.
    fn decode(&mut self) -> Result<Decoded, Error> {
        let Self { receiving, read, .. } = self;
        let decoded = match receiving {
            Receiving::None | Receiving::Head { .. } => Decoded::Trailers(HeaderMap::new()),
            Receiving::Chunked(chunked) => {
                let decoded = chunked.decode(read)?;
                if *chunked == Chunked::End {
                    *receiving = Receiving::None;
                }
                decoded
            }
            Receiving::Length(_) | Receiving::Close if read.is_empty() => Decoded::Incomplete,
            Receiving::Close => Decoded::Data(read.split().freeze()),
            Receiving::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left -= u64::try_from(here).unwrap_or_default();
                if *left == 0 {
                    *receiving = Receiving::None;
                }
                Decoded::Data(read.split_to(here).freeze())
            }
        };
        Ok(decoded)
    }

    /// Gives up the rest of the request once the origin has responded.
    fn stop_sending(&mut self) {
        self.sending = Sending::none();
        self.persists = false;
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        self.read.reserve(self.read_size);
        let read = ready!(pin!(self.io.read_buf(&mut self.read)).poll(cx))?;
        if read >= self.read_size {
            self.read_size = (self.read_size * 2).min(MAX_READ);
        }
        Poll::Ready(Ok(read))
    }
}
