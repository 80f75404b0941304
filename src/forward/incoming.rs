//! The body of a received request, and how its unread part is discarded.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// The most bytes of a body that are discarded before a refusal is sent.
const BEFORE_BYTES: u64 = 16 * 1024;
/// How long they may take to arrive: a client that has sent a head is about to send its body.
const BEFORE_TIME: Duration = Duration::from_millis(100);
/// The most bytes of a body that are discarded after a refusal.
const AFTER_BYTES: u64 = 4 * 1024 * 1024;
/// How long they may take to arrive.
const AFTER_TIME: Duration = Duration::from_secs(2);
/// How many bodies are discarded at once on one worker, for authenticated and for anonymous requests each.
const MAX_DISCARDS: usize = 64;

/// The body of a received request. When it is dropped, its unread part moves to its [`UnreadBody`].
#[derive(Debug)]
pub struct IncomingBody {
    incoming: Option<Incoming>,
    shared: SharedBody,
}

/// The unread part of a request's body, once the body is dropped. When this is dropped, too, nothing is left of the body.
#[derive(Debug)]
pub struct UnreadBody(SharedBody);

/// How many bytes of a request's body were received.
#[derive(Debug, Default)]
pub struct ReceivedBytes(SharedBody);

/// None for a request without a body.
type SharedBody = Option<Rc<Shared>>;

/// What remains of a body, beside its frames.
#[derive(Debug, Default)]
struct Shared {
    unread: RefCell<Option<Incoming>>,
    /// Whether the [`UnreadBody`] was dropped.
    is_closed: Cell<bool>,
    received: Cell<u64>,
}

impl IncomingBody {
    /// A body, and the handle to its unread part.
    #[must_use]
    pub fn new(incoming: Incoming) -> (Self, UnreadBody) {
        let shared = (!incoming.is_end_stream()).then(Rc::<Shared>::default);
        (Self { incoming: Some(incoming), shared: shared.clone() }, UnreadBody(shared))
    }
}

impl ReceivedBytes {
    /// Those that were received so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.received.get())
    }
}

impl Drop for IncomingBody {
    fn drop(&mut self) {
        if let (Some(shared), Some(incoming)) = (&self.shared, self.incoming.take())
            && !shared.is_closed.get()
            && !incoming.is_end_stream()
        {
            shared.unread.replace(Some(incoming));
        }
    }
}

impl Drop for UnreadBody {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.is_closed.set(true);
            shared.unread.take();
        }
    }
}

impl Body for IncomingBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        if let (Some(Ok(frame)), Some(shared)) = (&frame, &self.shared) {
            shared.count(frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl UnreadBody {
    /// The count of the bytes that are received, also of those that are discarded.
    #[must_use]
    pub fn received(&self) -> ReceivedBytes {
        ReceivedBytes(self.0.clone())
    }

    /// Whether the body was dropped before its end.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| shared.unread.borrow().is_some())
    }

    /// Discards a short body before the request is refused: some clients, such as curl 7.88, treat the end of an HTTP/2 stream to which
    /// they are still sending as an error, and never read the refusal.
    pub async fn discard_before_refusal(&self) {
        let Some((shared, mut incoming)) = self.take() else { return };
        if incoming.size_hint().lower() <= BEFORE_BYTES {
            let _ = timeout(BEFORE_TIME, shared.discard(&mut incoming, BEFORE_BYTES)).await;
        }
        if !incoming.is_end_stream() {
            shared.unread.replace(Some(incoming));
        }
    }

    /// Discards more of the body while the refusal is sent, for the same clients: otherwise hyper would reset the stream. Nothing is
    /// discarded if that is done for many requests already; those of authenticated clients are counted separately.
    pub fn discard_after_refusal(&self, is_authenticated: bool) {
        let Some((shared, mut incoming)) = self.take() else { return };
        let Some(slot) = DiscardSlot::acquire(is_authenticated) else { return };
        tokio::task::spawn_local(async move {
            let _ = timeout(AFTER_TIME, shared.discard(&mut incoming, AFTER_BYTES)).await;
            drop(slot);
        });
    }

    fn take(&self) -> Option<(Rc<Shared>, Incoming)> {
        let shared = self.0.as_ref()?;
        let incoming = shared.unread.take()?;
        Some((Rc::clone(shared), incoming))
    }
}

impl Shared {
    /// Counts a frame, and returns the length of its data.
    fn count(&self, frame: &Frame<Bytes>) -> u64 {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.received.set(self.received.get().saturating_add(length));
        length
    }
    /// Reads a body to its end, or until it exceeds `most` bytes.
    async fn discard(&self, incoming: &mut Incoming, most: u64) {
        let mut left = most;
        while let Some(Ok(frame)) = incoming.frame().await {
            match left.checked_sub(self.count(&frame)) {
                Some(remaining) => left = remaining,
                None => return,
            }
        }
    }
}

thread_local! {
    /// How many bodies are being discarded after a refusal: of anonymous and of authenticated requests.
    static DISCARDS: [Cell<usize>; 2] = const { [Cell::new(0), Cell::new(0)] };
}

/// Counts a body that is being discarded.
struct DiscardSlot(usize);

impl DiscardSlot {
    fn acquire(is_authenticated: bool) -> Option<Self> {
        let index = usize::from(is_authenticated);
        DISCARDS.with(|counts| {
            let count = counts.get(index)?;
            (count.get() < MAX_DISCARDS).then(|| count.set(count.get() + 1))
        })?;
        Some(Self(index))
    }
}

impl Drop for DiscardSlot {
    fn drop(&mut self) {
        DISCARDS.with(|counts| {
            if let Some(count) = counts.get(self.0) {
                count.set(count.get().saturating_sub(1));
            }
        });
    }
}
