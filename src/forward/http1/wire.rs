//! One connection: what is being sent, what is being read.

use std::{
    pin::pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, response::Parts};
use http_body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    task::unconstrained,
};

use super::{
    Fault,
    chunked::{Chunked, Decoded},
    keep_alive::KeepAlive,
    response::{self, Framing, Head, Scan},
    upload::Upload,
};
use crate::forward::RequestBody;

/// A stream that carries it.
pub(in crate::forward) trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// What is read at once, in bytes: at first, and while there is much.
const READ: (usize, usize) = (4 * 1024, 64 * 1024);
/// How long the end of a connection that is not needed any more may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection that carries one request at a time.
pub(in crate::forward) struct Http1 {
    io: Box<dyn Io>,
    upload: Upload,
    download: Download,
    read: BytesMut,
    /// How much is read at once.
    step: usize,
    keeps: bool,
    keep_alive: KeepAlive,
    /// Of the last message, empty: the next one needs no memory for its own.
    map: HeaderMap,
}

/// How far a response is.
enum Download {
    /// None is waited for, or it is whole.
    None,
    /// Its head is waited for.
    Head {
        method: Method,
        scan: Scan,
    },
    /// So much of its body is left.
    Length(u64),
    Chunked(Chunked),
    /// All until the end of the connection.
    Close,
}

impl Http1 {
    pub(in crate::forward) fn new(io: Box<dyn Io>) -> Self {
        Self {
            io,
            upload: Upload::none(),
            download: Download::None,
            read: BytesMut::new(),
            step: READ.0,
            keeps: true,
            keep_alive: KeepAlive::default(),
            map: HeaderMap::new(),
        }
    }

    /// Takes a request, to be sent while its response is waited for.
    pub(in crate::forward) fn begin(&mut self, request: Request<RequestBody>) {
        if let Some(requests) = &mut self.keep_alive.requests {
            *requests = requests.saturating_sub(1);
        }
        let (mut head, body) = request.into_parts();
        self.upload = Upload::of(&head, body);
        head.headers.clear();
        self.map = head.headers;
        self.download = Download::Head { method: head.method, scan: Scan::default() };
    }

    /// Sends what is there, and gives the response's head once that is whole.
    pub(in crate::forward) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Parts, Fault>> {
        let sent = self.upload.poll(&mut self.io, cx);
        loop {
            let Download::Head { method, scan } = &mut self.download else {
                return Poll::Ready(Err(Fault::Incomplete));
            };
            if let Some(Head { parts, framing, keeps, keep_alive }) =
                response::take(&mut self.read, scan, method, &mut self.map)?
            {
                // A head that came before the request was out may answer something else.
                self.keep_alive = self.keep_alive.followed_by(keep_alive);
                let has_more = self.keep_alive.requests != Some(0);
                self.keeps = keeps && has_more && self.upload.is_over();
                if let Poll::Ready(Err(_)) = sent {
                    self.abandon();
                }
                self.download = match framing {
                    Framing::Length(0) => Download::None,
                    Framing::Length(length) => Download::Length(length),
                    Framing::Chunked => Download::Chunked(Chunked::Size),
                    Framing::Close => Download::Close,
                };
                return Poll::Ready(Ok(parts));
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Fault::Incomplete)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                // A server may answer and close before it has read all: what it says counts for more than what could not be sent.
                // A connection that takes nothing more has ended: whoever reads is told, if not in the same turn.
                Poll::Pending => {
                    return match sent {
                        Poll::Ready(Err(Fault::Io(_)) | Ok(())) | Poll::Pending => Poll::Pending,
                        Poll::Ready(Err(fault)) => Poll::Ready(Err(fault)),
                    };
                }
            }
        }
    }

    /// Whether the request is out.
    pub(in crate::forward) const fn is_sent(&self) -> bool {
        self.upload.is_over()
    }

    /// Whether its response's head is waited for.
    pub(in crate::forward) const fn is_waiting(&self) -> bool {
        matches!(self.download, Download::Head { .. })
    }

    /// Whether it can carry another request once this one is over, as far as that is known: the request is out, and the response
    /// has an end.
    pub(in crate::forward) const fn is_to_be_kept(&self) -> bool {
        self.keeps && self.upload.is_over() && !matches!(self.download, Download::Close)
    }

    /// Sends what is there of the request, after its response has begun.
    pub(in crate::forward) fn poll_send(&mut self, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(_)) = self.upload.poll(&mut self.io, cx) {
            self.abandon();
        }
    }

    /// The next frame of the response's body; the request's is sent meanwhile.
    pub(in crate::forward) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.poll_send(cx);
        loop {
            match self.decode() {
                Ok(Decoded::Nothing) => {}
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(trailers)) if trailers.is_empty() => return Poll::Ready(None),
                Ok(Decoded::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Err(fault) => return Poll::Ready(Some(Err(fault))),
            }
            if ready!(self.poll_read(cx)).map_err(Fault::from)? == 0 {
                if matches!(self.download, Download::Close) {
                    self.download = Download::None;
                    return Poll::Ready(None);
                }
                return Poll::Ready(Some(Err(Fault::Incomplete)));
            }
        }
    }

    /// What of the body was read.
    fn decode(&mut self) -> Result<Decoded, Fault> {
        let Self { download, read, .. } = self;
        let decoded = match download {
            Download::None | Download::Head { .. } => Decoded::Trailers(HeaderMap::new()),
            Download::Chunked(chunked) => {
                let decoded = chunked.decode(read)?;
                if *chunked == Chunked::End {
                    *download = Download::None;
                }
                decoded
            }
            Download::Length(_) | Download::Close if read.is_empty() => Decoded::Nothing,
            Download::Close => Decoded::Data(read.split().freeze()),
            Download::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left -= u64::try_from(here).unwrap_or_default();
                if *left == 0 {
                    *download = Download::None;
                }
                Decoded::Data(read.split_to(here).freeze())
            }
        };
        Ok(decoded)
    }

    /// Whether the response's body is whole.
    pub(in crate::forward) const fn is_end_stream(&self) -> bool {
        matches!(self.download, Download::None)
    }

    /// Of what is left of the response's body.
    pub(in crate::forward) fn size_hint(&self) -> SizeHint {
        match self.download {
            Download::None => SizeHint::with_exact(0),
            Download::Length(left) => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }

    /// Gives back what it has for a message, and says whether it can carry another one: nothing is left of either, and nothing
    /// came behind them.
    pub(in crate::forward) fn rest(&mut self) -> bool {
        let is_clear = self.read.is_empty();
        self.read = BytesMut::new();
        self.step = READ.0;
        is_clear && self.keeps && self.is_end_stream() && self.upload.is_over()
    }

    /// How long it can be unused before its origin closes it, where the origin says so.
    pub(in crate::forward) const fn idle_limit(&self) -> Option<Duration> {
        self.keep_alive.limit
    }

    /// Whether one that rests is still there: its origin has sent neither its end nor anything that nobody has asked for.
    pub(in crate::forward) fn is_open(&mut self) -> bool {
        let mut byte = [0];
        // Pending means that nothing came, not that this task has done much in its turn.
        pin!(unconstrained(self.io.read(&mut byte)))
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    }

    /// The origin has answered; what of the request could not be sent is not waited for.
    fn abandon(&mut self) {
        self.upload = Upload::none();
        self.keeps = false;
    }

    /// Closes it politely, in a task of its own.
    pub(in crate::forward) fn retire(self) {
        let mut io = self.io;
        tokio::task::spawn_local(tokio::time::timeout(FAREWELL, async move { io.shutdown().await }));
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        self.read.reserve(self.step);
        let read = ready!(pin!(self.io.read_buf(&mut self.read)).poll(cx))?;
        if read >= self.step {
            self.step = (self.step * 2).min(READ.1);
        }
        Poll::Ready(Ok(read))
    }
}
