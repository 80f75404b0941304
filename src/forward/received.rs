//! A request's body as it comes in, and what becomes of it when nobody goes on to read it.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// So much of a body is read and dropped before a refusal is sent over HTTP/2, in bytes...
const SHORT: u64 = 16 * 1024;
/// ...if it comes in this time. A client that has sent a head is about to send its body, too.
const MOMENT: Duration = Duration::from_millis(100);
/// So much of a longer one is read after the refusal...
const LONG: u64 = 4 * 1024 * 1024;
/// ...in this time...
const TIME: Duration = Duration::from_secs(2);
/// ...of so many at once, on one worker.
const LINGERING: usize = 64;

/// The body of a request. What is left of it when it is dropped goes to its [`Rest`].
#[derive(Debug)]
pub struct IncomingBody {
    incoming: Option<Incoming>,
    rest: Rest,
}

/// What nobody has read of a request's body.
#[derive(Clone, Debug, Default)]
pub struct Rest(Option<Rc<RefCell<Option<Incoming>>>>);

impl IncomingBody {
    /// A body that has just begun to come, and what will be left of it.
    #[must_use]
    pub fn new(incoming: Incoming) -> (Self, Rest) {
        let rest = Rest((!incoming.is_end_stream()).then(Rc::default));
        (Self { incoming: Some(incoming), rest: rest.clone() }, rest)
    }
}

impl Drop for IncomingBody {
    fn drop(&mut self) {
        if let (Some(rest), Some(incoming)) = (&self.rest.0, self.incoming.take())
            && !incoming.is_end_stream()
        {
            rest.replace(Some(incoming));
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
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Rest {
    /// Reads and drops what is short of it, before the request is refused: some clients, curl 7.88 among them, take the end of a
    /// stream to which they are still sending for an error, and never read the refusal.
    pub async fn discard_short(&self) {
        let Some(mut incoming) = self.take() else { return };
        if incoming.size_hint().lower() <= SHORT {
            let _ = timeout(MOMENT, discard(&mut incoming, SHORT)).await;
        }
        if let Some(rest) = &self.0
            && !incoming.is_end_stream()
        {
            rest.replace(Some(incoming));
        }
    }

    /// Goes on to read what is left while the refusal is on its way, for the same clients: else HTTP/2 would reset the stream with
    /// it. Where this is done for many requests already, nothing is read. Those of applications are counted apart.
    pub fn linger(&self, is_authenticated: bool) {
        let Some(mut incoming) = self.take() else { return };
        let Some(place) = Place::take(is_authenticated) else { return };
        tokio::task::spawn_local(async move {
            let _ = timeout(TIME, discard(&mut incoming, LONG)).await;
            drop(place);
        });
    }

    fn take(&self) -> Option<Incoming> {
        self.0.as_ref()?.take()
    }
}

/// Reads a body to its end, or until it has had so many bytes.
async fn discard(incoming: &mut Incoming, most: u64) {
    let mut left = most;
    while let Some(Ok(frame)) = incoming.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(u64::try_from(length).unwrap_or(u64::MAX)) {
            Some(less) => left = less,
            None => return,
        }
    }
}

thread_local! {
    /// Bodies that are read after their refusal: of anybody, and of applications.
    static PLACES: [Cell<usize>; 2] = const { [Cell::new(0), Cell::new(0)] };
}

/// One of them.
struct Place(usize);

impl Place {
    fn take(is_authenticated: bool) -> Option<Self> {
        let index = usize::from(is_authenticated);
        PLACES.with(|places| {
            let taken = places.get(index)?;
            (taken.get() < LINGERING).then(|| taken.set(taken.get() + 1))
        })?;
        Some(Self(index))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PLACES.with(|places| {
            if let Some(taken) = places.get(self.0) {
                taken.set(taken.get().saturating_sub(1));
            }
        });
    }
}
