//! Connections of one worker to one origin.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use hyper::client::conn::http2;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use super::{
    Pools, RequestBody, Target,
    connect::{Sender, connect},
    idle::Idle,
    in_use::Caller,
    mark::Mark,
};
use crate::config::settings::Origin;

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
    http2: RefCell<Option<http2::SendRequest<RequestBody>>>,
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
        let (idle, http2) = Default::default();
        Rc::new(Self { origin, idle, http2, mark, opens: Semaphore::new(OPENS) })
    }

    /// A connection for a request of such a caller.
    pub(super) async fn checkout(
        self: &Rc<Self>,
        target: &Arc<Target>,
        pools: &Pools,
        caller: Caller,
    ) -> Result<Sender, NotConnected> {
        loop {
            if let Some(connection) = self.idle.take() {
                return Ok(Sender::Http1(connection));
            }
            let shared = self.http2.borrow().clone().filter(|sender| !sender.is_closed());
            if let Some(mut sender) = shared
                && sender.ready().await.is_ok()
            {
                return Ok(Sender::Http2(sender));
            }
            // Boxed: every request's future would be as large as that of a connection which it hardly ever waits for.
            match Box::pin(self.wait(target, pools, caller)).await? {
                Sender::Http1(mut kept) if kept.is_used => {
                    // Its origin may have closed it after the last response.
                    if kept.http1.is_open() {
                        return Ok(Sender::Http1(kept));
                    }
                    kept.http1.retire();
                }
                sender => return Ok(sender),
            }
        }
    }

    /// Waits for a connection that another request gives back, or for a new one: whichever is there first.
    async fn wait(
        self: &Rc<Self>,
        target: &Arc<Target>,
        pools: &Pools,
        caller: Caller,
    ) -> Result<Sender, NotConnected> {
        let waiter = self.idle.wait(caller);
        if self.idle.is_short(caller) {
            let place = pools.place().ok_or(NotConnected::NoPlace)?;
            self.open(Arc::clone(target), pools, place, caller);
        }
        let opened = tokio::time::timeout(target.connect_timeout, waiter.opened()).await;
        let late = |_| Err(format!("no connection within {:?}", target.connect_timeout));
        opened.unwrap_or_else(late).map_err(NotConnected::Failed)
    }

    /// Opens a connection in a task of its own: a client that gives up meanwhile leaves it to the next request, so that the upstream
    /// is not called in vain.
    fn open(
        self: &Rc<Self>,
        target: Arc<Target>,
        pools: &Pools,
        place: OwnedSemaphorePermit,
        caller: Caller,
    ) {
        let (origin, outbox, places) = (Rc::clone(self), pools.outbox(), Arc::clone(pools.places()));
        let mut next = Some((place, caller, self.idle.opens(caller)));
        tokio::task::spawn_local(async move {
            while let Some((place, caller, opening)) = next {
                if caller == Caller::Anybody && !origin.may_open().await {
                    return;
                }
                let opened = connect(&target, &origin.origin, &outbox, place).await;
                drop(opening);
                if let Some(opened) = opened {
                    if opened.is_ok() {
                        origin.mark.clear();
                    }
                    if let Ok(Sender::Http2(sender)) = &opened {
                        *origin.http2.borrow_mut() = Some(sender.clone());
                    }
                    return origin.idle.hand(opened);
                }
                // Requests that wait now have come later, and have time left.
                let callers = [Caller::Proved, Caller::Anybody];
                let caller = callers.into_iter().find(|caller| origin.idle.is_short(*caller));
                next = caller.and_then(|caller| {
                    let place = Arc::clone(&places).try_acquire_owned().ok()?;
                    Some((place, caller, origin.idle.opens(caller)))
                });
            }
        });
    }

    /// Waits until another connection may be opened for a request of anybody; false if none is wanted any more.
    async fn may_open(self: &Rc<Self>) -> bool {
        let Ok(permit) = self.opens.acquire().await else { return false };
        if self.idle.has_surplus(Caller::Anybody) {
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
    fn few_connections_are_opened_at_once_for_strangers() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let origin = OriginPool::new(
                Origin { tls: false, host: "127.0.0.1".into(), port: 1 },
                Arc::clone(&Marks::new(1).0[0]),
            );
            let stranger = |_| (origin.idle.wait(Caller::Anybody), origin.idle.opens(Caller::Anybody));
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
