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

/// What a client did wrong with its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than the limit: 413.
    #[error("the request body is longer than {0} bytes")]
    TooLarge(u64),
    /// Not there in time: 408.
    #[error("the request body did not arrive within {0:?}")]
    Slow(Duration),
    /// The client went away, or its framing is broken: 400.
    #[error("the connection ended before the request body was complete")]
    Broken,
    /// Other bodies take all the memory that bodies may: 503.
    #[error("too many request bodies are being read: try again later")]
    NoRoom,
}

impl From<NoRoom> for BodyFault {
    fn from(_: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// Whether the body has been sent, and with what result; shared with the task that awaits the response.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Rc<Cell<State>>);

/// How far a body is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum State {
    /// Some of it is still to be sent.
    #[default]
    Going,
    /// It was there as a whole from the start.
    Whole,
    /// Its last byte went out at this time.
    Done(Instant),
    /// It can't be sent to its end.
    Failed(BodyFault),
}

impl Progress {
    pub(super) fn state(&self) -> State {
        self.0.get()
    }

    /// The last byte went out now. Where nobody waits for that, the clock is not asked.
    fn is_done(&self) {
        if Rc::strong_count(&self.0) > 1 {
            self.0.set(State::Done(Instant::now()));
        }
    }
}

/// The body of a request. Trailers are discarded, as an intermediary may (RFC 9110 section 6.5.1):
/// they could carry headers that vouch.
#[derive(Debug)]
pub struct RequestBody {
    source: Source,
    progress: Progress,
    /// Of the memory for bodies, where it was buffered.
    share: Option<Share>,
}

/// What a retry sends: the bytes of a buffered body.
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
        /// Armed when there is something to wait for.
        timer: Option<Pin<Box<Sleep>>>,
        time: Duration,
        /// Says that more may come, while it is there.
        token: Option<Rc<()>>,
    },
}

impl RequestBody {
    /// A body that was read whole; it can be sent again.
    #[must_use]
    pub fn buffered(bytes: Bytes) -> Self {
        let progress = Progress(Rc::new(Cell::new(State::Whole)));
        Self { source: Source::Buffered(bytes), progress, share: None }
    }

    /// The same with its share of the memory for bodies, which is given back with it.
    #[must_use]
    pub fn sharing(bytes: Bytes, share: Share) -> Self {
        Self { share: Some(share), ..Self::buffered(bytes) }
    }

    /// A body that is passed on as it comes: at most `limit` bytes within `time` from now.
    #[must_use]
    pub fn streaming(incoming: IncomingBody, limit: u64, time: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::buffered(Bytes::new());
        }
        let source = Source::Streaming { incoming, left: limit, limit, timer: None, time, token: None };
        Self { source, progress: Progress::default(), share: None }
    }

    /// Holds this while more of it may come.
    #[must_use]
    pub fn holding(mut self, held: Rc<()>) -> Self {
        if let Source::Streaming { token, .. } = &mut self.source {
            *token = Some(held);
        }
        self
    }

    /// Reads a body whole: at most `limit` bytes within `time`. Its memory is taken from `share`, at once where the
    /// request announces the length.
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
        let announced = incoming.size_hint().exact().and_then(|length| usize::try_from(length).ok());
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
                // A length that is not announced doubles, as a vector does.
                let room = announced.unwrap_or(whole.capacity() * 2).min(limit).max(length);
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

    /// What a retry sends, if the body was buffered. Its share goes along, since the bytes are kept for as long.
    pub(super) fn replay(&mut self) -> Option<Replay> {
        match &self.source {
            Source::Buffered(bytes) => Some(Replay { bytes: bytes.clone(), share: self.share.take() }),
            Source::Streaming { .. } => None,
        }
    }

    /// Takes the share back from what a retry would have sent.
    pub(super) fn reclaim(&mut self, replay: Option<Replay>) {
        self.share = replay.and_then(|replay| replay.share);
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn fail(&self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.progress.0.set(State::Failed(fault));
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
                                    this.progress.is_done();
                                }
                                return Poll::Ready(Some(Ok(Frame::data(data))));
                            }
                            BodyFault::TooLarge(*limit)
                        }
                        Err(_trailers) => {
                            this.progress.is_done();
                            return Poll::Ready(None);
                        }
                    },
                    Poll::Ready(Some(Err(_))) => BodyFault::Broken,
                    Poll::Ready(None) => {
                        this.progress.is_done();
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
