//! Connections of one worker to one origin.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use super::{
    Target,
    connect::{Opened, connect},
    http2::Connections,
    idle::{Idle, Sender},
    in_use::Caller,
    mark::Mark,
};
use crate::{forward::Origin, net::WriteBatcher};

/// So many connections are opened for requests of anybody in [`PACE`]: a hundred at once would fill the queue of those that the
/// origin has yet to accept. There the system drops the next one's SYN, an application's as well, and sends it again only after
/// a second.
const OPENS: usize = 4;
/// See [`OPENS`].
const PACE: Duration = Duration::from_millis(1);

/// Those of one origin, and whether it takes any.
pub(super) struct OriginPool {
    pub(super) origin: Origin,
    pub(super) idle: Idle,
    pub(super) http2: Connections,
    /// How many requests a new connection is expected to carry at once: what the last one did.
    each: Cell<usize>,
    /// Shared by all workers.
    pub(super) mark: Arc<Mark>,
    /// See [`OPENS`].
    opens: Semaphore,
}

impl std::fmt::Debug for OriginPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginPool").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Why there is no connection to an origin.
pub(super) enum NotConnected {
    /// None may be opened.
    NoPlace,
    /// It could not be opened: a sentence for the log.
    Failed(String),
}

impl OriginPool {
    pub(super) fn new(origin: Origin, mark: Arc<Mark>) -> Rc<Self> {
        let (idle, http2, each) = (Idle::default(), Connections::default(), Cell::new(1));
        Rc::new(Self { origin, idle, http2, each, mark, opens: Semaphore::new(OPENS) })
    }

    /// A connection for a request of such a caller.
    pub(super) async fn checkout(
        self: &Rc<Self>,
        target: &Arc<Target>,
        room: &impl Room,
        caller: Caller,
    ) -> Result<Sender, NotConnected> {
        loop {
            if let Some(connection) = self.idle.take() {
                return Ok(Sender::Http1(connection));
            }
            if let Some(stream) = self.http2.with_room().map(|connection| self.idle.stream(connection)) {
                return Ok(Sender::Http2(stream));
            }
            // Boxed: every request's future would be as large as that of a connection which it hardly ever waits for.
            let opened = Box::pin(self.wait(target, room, caller)).await;
            // An origin that takes no further connection may still be there on those that it has.
            let opened = opened.or_else(|fault| {
                self.http2
                    .least_used()
                    .map(|connection| Sender::Http2(self.idle.stream(connection)))
                    .ok_or(fault)
            });
            match opened? {
                Sender::Http1(mut kept) if kept.is_used => {
                    // Its origin may have closed it after the last response.
                    if kept.http1.is_open() {
                        return Ok(Sender::Http1(kept));
                    }
                    kept.http1.close();
                }
                sender => return Ok(sender),
            }
        }
    }

    /// Waits for a connection that another request gives back, or for a new one: whichever is there first.
    async fn wait(
        self: &Rc<Self>,
        target: &Arc<Target>,
        room: &impl Room,
        caller: Caller,
    ) -> Result<Sender, NotConnected> {
        let waiter = self.idle.wait(caller);
        if self.idle.is_short(caller, self.each.get()) {
            let place = room.place().await.ok_or(NotConnected::NoPlace)?;
            self.open(Arc::clone(target), room, place, caller);
        }
        let opened = tokio::time::timeout(target.limits.connect_timeout, waiter.opened()).await;
        let late = |_| Err(format!("no connection within {:?}", target.limits.connect_timeout));
        opened.unwrap_or_else(late).map_err(NotConnected::Failed)
    }

    /// Opens a connection in a task of its own: a client that gives up meanwhile leaves it to the next request, so that the upstream
    /// is not called in vain.
    fn open(
        self: &Rc<Self>,
        target: Arc<Target>,
        room: &impl Room,
        place: OwnedSemaphorePermit,
        caller: Caller,
    ) {
        let (origin, batcher, places) = (Rc::clone(self), room.batcher(), Arc::clone(room.places()));
        let mut next = Some((place, caller, self.idle.opens(caller)));
        tokio::task::spawn_local(async move {
            while let Some((place, caller, opening)) = next {
                if caller == Caller::Anonymous && !origin.may_open().await {
                    return;
                }
                let opened = connect(&target, &origin.origin, &batcher, place, &places).await;
                drop(opening);
                if let Some(opened) = opened {
                    origin.take_up(opened);
                }
                // Requests that wait now have come later, or have found no room on it.
                let callers = [Caller::Authenticated, Caller::Anonymous];
                let caller =
                    callers.into_iter().find(|caller| origin.idle.is_short(*caller, origin.each.get()));
                next = caller.and_then(|caller| {
                    let place = Arc::clone(&places).try_acquire_owned().ok()?;
                    Some((place, caller, origin.idle.opens(caller)))
                });
            }
        });
    }

    /// Hands a new connection to the requests that wait, or what went wrong.
    fn take_up(&self, opened: Result<Opened, String>) {
        if opened.is_ok() {
            self.mark.clear();
        }
        match opened {
            Ok(Opened::Http1(connection)) => {
                self.each.set(1);
                self.idle.hand(Ok(Sender::Http1(connection)));
            }
            Ok(Opened::Http2(connection)) => {
                self.each.set(connection.most());
                // Several may be opened before the first has shown that one is enough.
                if !self.idle.is_awaited() && self.http2.has_room() {
                    return;
                }
                self.http2.add(connection);
                if let Some(stream) = self.http2.with_room().map(|connection| self.idle.stream(connection)) {
                    self.idle.hand(Ok(Sender::Http2(stream)));
                }
            }
            Err(reason) if self.each.get() > 1 => self.idle.fail(&reason),
            Err(reason) => self.idle.hand(Err(reason)),
        }
    }

    /// Waits until another connection may be opened for a request of anybody; false if none is wanted any more.
    async fn may_open(self: &Rc<Self>) -> bool {
        let Ok(permit) = self.opens.acquire().await else { return false };
        if self.idle.has_surplus(Caller::Anonymous) {
            return false;
        }
        permit.forget();
        let origin = Rc::clone(self);
        tokio::task::spawn_local(async move {
            sleep(PACE).await;
            origin.opens.add_permits(1);
        });
        true
    }
}

/// What the worker as a whole has for new connections.
pub(super) trait Room {
    /// A place for another connection. Where there is none, an unused connection of this worker is closed for it; the sweep closes
    /// those of other workers.
    async fn place(&self) -> Option<OwnedSemaphorePermit>;

    /// All places, of all workers.
    fn places(&self) -> &Arc<Semaphore>;

    /// Where the sends of connections are gathered.
    fn batcher(&self) -> WriteBatcher;
}

/// An origin for the log.
pub(super) fn shown(origin: &Origin) -> String {
    let scheme = if origin.tls { "https" } else { "http" };
    format!("{scheme}://{}:{}", origin.host, origin.port)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::runtime::LocalOptions;

    use super::*;
    use crate::forward::mark::Marks;

    #[test]
    fn few_connections_are_opened_at_once_anonymous_share() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let origin = OriginPool::new(
                Origin { tls: false, host: "127.0.0.1".into(), port: 1 },
                Arc::clone(&Marks::new(1).0[0]),
            );
            let stranger = |_| (origin.idle.wait(Caller::Anonymous), origin.idle.opens(Caller::Anonymous));
            let mut waiting: Vec<_> = (0..=OPENS).map(stranger).collect();
            for _ in 0..OPENS {
                assert_eq!(origin.may_open().now_or_never(), Some(true));
            }
            let mut next = Box::pin(origin.may_open());
            assert_eq!(next.as_mut().now_or_never(), None);
            assert!(next.await);
            // One that is given up needs none.
            let (given_up, _opening) = waiting.remove(0);
            drop(given_up);
            assert!(!origin.may_open().await);
        });
    }
}
