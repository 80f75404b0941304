//! A request's body on its way to the upstream: buffered, or streamed under limits.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::{IncomingBody, Share, buffered::NoRoom};

/// Why a request body cannot be forwarded. `Display` is sent to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It exceeds the limit, in bytes: 413.
    #[error("the request body is longer than {0} bytes")]
    TooLarge(u64),
    /// It did not arrive in time: 408.
    #[error("the request body did not arrive within {0:?}")]
    Slow(Duration),
    /// The client closed the connection, or the framing is invalid: 400.
    #[error("the connection ended before the request body was complete")]
    Broken,
    /// Other bodies use all the memory for buffered bodies: 503.
    #[error("too many request bodies are being read: try again later")]
    NoRoom,
}

impl From<NoRoom> for BodyFault {
    fn from(_: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// How far a body has been sent, for the task that waits for the response. None for one that was complete from the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Option<Rc<Cell<State>>>);

/// The state of sending a body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum State {
    /// A part is still to be sent.
    #[default]
    Sending,
    /// It was complete from the start.
    Buffered,
    /// Its last byte was sent at this time.
    Sent(Instant),
    /// It cannot be sent completely.
    Failed(BodyFault),
}

impl Progress {
    pub(super) fn state(&self) -> State {
        self.0.as_ref().map_or(State::Buffered, |state| state.get())
    }

    fn set(&self, new: State) {
        if let Some(state) = &self.0 {
            state.set(new);
        }
    }

    /// Records that the last byte is sent now. The clock is not read if no task waits for that.
    fn mark_done(&self) {
        if self.0.as_ref().is_some_and(|state| Rc::strong_count(state) > 1) {
            self.set(State::Sent(Instant::now()));
        }
    }
}

/// The body of a forwarded request. Trailers are discarded (RFC 9110 section 6.5.1 permits it): they could contain a vouching header.
#[derive(Debug)]
pub struct RequestBody {
    source: Source,
    /// Of a streamed body, once a task waits for its response.
    progress: Progress,
    /// The memory that it uses, if it is buffered.
    share: Option<Share>,
}

/// A buffered body, to be sent again.
pub(super) struct Replay {
    bytes: Bytes,
    share: Option<Share>,
}

#[derive(Debug)]
enum Source {
    Buffered(Bytes),
    Streaming {
        incoming: IncomingBody,
        left: u64,
        limit: u64,
        /// Started when the body is first waited for.
        timer: Option<Pin<Box<Sleep>>>,
        time: Duration,
        /// Held while more of the body may arrive.
        token: Option<Rc<()>>,
    },
}

impl RequestBody {
    /// A complete body, which can be sent again.
    #[must_use]
    pub fn buffered(bytes: Bytes) -> Self {
        Self { source: Source::Buffered(bytes), progress: Progress::default(), share: None }
    }

    /// The bytes of a buffered body; empty for one that is streamed.
    #[must_use]
    pub fn buffered_bytes(&self) -> &[u8] {
        match &self.source {
            Source::Buffered(bytes) => bytes,
            Source::Streaming { .. } => &[],
        }
    }

    /// A complete body with its share of the memory for buffered bodies, which is released with it.
    #[must_use]
    pub fn with_share(bytes: Bytes, share: Share) -> Self {
        Self { share: Some(share), ..Self::buffered(bytes) }
    }

    /// A body that is forwarded as it arrives: at most `limit` bytes, within `time` after it is first waited for.
    #[must_use]
    pub fn streaming(incoming: IncomingBody, limit: u64, time: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::buffered(Bytes::new());
        }
        let source = Source::Streaming { incoming, left: limit, limit, timer: None, time, token: None };
        Self { source, progress: Progress::default(), share: None }
    }

    /// Holds the token while more of the body may arrive.
    #[must_use]
    pub fn holding(mut self, held: Rc<()>) -> Self {
        if let Source::Streaming { token, .. } = &mut self.source {
            *token = Some(held);
        }
        self
    }

    /// Reads a whole body: at most `limit` bytes within `time`. `share` grows with it, or at once if the request states a length.
    ///
    /// # Errors
    ///
    /// If the body is too long, too slow or incomplete, or the memory for buffered bodies is used up.
    pub async fn collect(
        incoming: IncomingBody,
        limit: usize,
        time: Duration,
        share: &mut Share,
    ) -> Result<Bytes, BodyFault> {
        use http_body_util::BodyExt;
        let bound = u64::try_from(limit).unwrap_or(u64::MAX);
        if incoming.is_end_stream() {
            return Ok(Bytes::new());
        }
        let stated = incoming.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let mut body = Self::streaming(incoming, bound, time);
        let mut first = Bytes::new();
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if first.is_empty() && whole.is_empty() {
                share.grow_to(data.len())?;
                first = data;
                continue;
            }
            let length = whole.len().max(first.len()) + data.len();
            if length > whole.capacity() {
                // Without a stated length the capacity doubles, as a vector's does.
                let room = stated.unwrap_or(whole.capacity() * 2).min(limit).max(length);
                share.grow_to(room)?;
                whole.reserve_exact(room - whole.len());
            }
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&data);
        }
        Ok(if whole.is_empty() { first } else { Bytes::from(whole) })
    }

    /// A copy to send again, if the body is buffered. The share moves to it, since the copy may live longer.
    pub(super) fn replay(&mut self) -> Option<Replay> {
        match &self.source {
            Source::Buffered(bytes) => Some(Replay { bytes: bytes.clone(), share: self.share.take() }),
            Source::Streaming { .. } => None,
        }
    }

    /// Takes the share back from an unused copy.
    pub(super) fn reclaim(&mut self, replay: Option<Replay>) {
        self.share = replay.and_then(|replay| replay.share);
    }

    pub(super) fn progress(&mut self) -> Progress {
        if let Source::Streaming { .. } = self.source {
            self.progress.0.get_or_insert_default();
        }
        self.progress.clone()
    }

    fn fail(&self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.progress.set(State::Failed(fault));
        Poll::Ready(Some(Err(fault)))
    }
}

impl From<Replay> for RequestBody {
    fn from(Replay { bytes, share }: Replay) -> Self {
        Self { share, ..Self::buffered(bytes) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = &mut *self;
        let fault = match &mut this.source {
            Source::Buffered(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Source::Buffered(bytes) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Streaming { incoming, left, limit, timer, time, .. } => {
                match Pin::new(&mut *incoming).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => {
                            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                            if let Some(rest) = left.checked_sub(length) {
                                *left = rest;
                                // The sender does not poll again after the last byte.
                                if incoming.is_end_stream() {
                                    this.progress.mark_done();
                                }
                                return Poll::Ready(Some(Ok(Frame::data(data))));
                            }
                            BodyFault::TooLarge(*limit)
                        }
                        Err(_trailers) => {
                            this.progress.mark_done();
                            return Poll::Ready(None);
                        }
                    },
                    Poll::Ready(Some(Err(_))) => BodyFault::Broken,
                    Poll::Ready(None) => {
                        this.progress.mark_done();
                        return Poll::Ready(None);
                    }
                    Poll::Pending => {
                        let timer = timer.get_or_insert_with(|| Box::pin(sleep(*time)));
                        ready!(timer.as_mut().poll(cx));
                        BodyFault::Slow(*time)
                    }
                }
            }
        };
        this.fail(fault)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Buffered(bytes) => bytes.is_empty(),
            Source::Streaming { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Buffered(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Source::Streaming { incoming, .. } => incoming.size_hint(),
        }
    }
}
