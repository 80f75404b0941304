//! The connections of one worker to one origin: reuses them, and opens new ones.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use super::{
    Address, Target,
    connect::{Opened, connect, timed_out},
    health::OriginHealth,
    http2::Connections,
    idle::{Idle, Sender},
    in_flight::Caller,
};
use crate::net::WriteBatcher;

/// How many connections are opened for anonymous requests per [`OPEN_INTERVAL`]. A hundred at once would fill the origin's accept queue;
/// its kernel would then drop further SYNs, those of applications among them, which are sent again only after a second.
const OPENS_PER_INTERVAL: usize = 4;
/// See [`OPENS_PER_INTERVAL`].
const OPEN_INTERVAL: Duration = Duration::from_millis(1);

/// The connections to one origin, and its health.
pub(super) struct OriginPool {
    pub(super) origin: Address,
    pub(super) idle: Idle,
    pub(super) http2: Connections,
    /// How many requests a new connection is expected to carry at once, by the last one that was opened.
    requests_each: Cell<usize>,
    /// Shared by all workers.
    pub(super) health: Arc<OriginHealth>,
    /// See [`OPENS_PER_INTERVAL`].
    open_permits: Semaphore,
}

impl std::fmt::Debug for OriginPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginPool").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Why a request got no connection, or one of the edge's own no response.
#[derive(Debug)]
pub enum NotConnected {
    /// No file descriptor is left for another connection.
    NoDescriptor,
    /// It could not be opened, for this reason: a sentence for the log.
    Failed(String),
}

impl From<NotConnected> for String {
    fn from(why: NotConnected) -> Self {
        match why {
            NotConnected::NoDescriptor => "no file descriptor is left".to_owned(),
            NotConnected::Failed(why) => why,
        }
    }
}

impl OriginPool {
    /// No connections yet.
    pub(super) fn new(origin: Address, health: Arc<OriginHealth>) -> Rc<Self> {
        let (idle, http2, requests_each) = (Idle::default(), Connections::default(), Cell::new(1));
        Rc::new(Self {
            origin,
            idle,
            http2,
            requests_each,
            health,
            open_permits: Semaphore::new(OPENS_PER_INTERVAL),
        })
    }

    /// Takes an idle connection or a free HTTP/2 stream for a request, or waits for one.
    pub(super) async fn checkout(
        self: &Rc<Self>,
        target: &Arc<Target>,
        worker: &impl WorkerResources,
        caller: Caller,
    ) -> Result<Sender, NotConnected> {
        loop {
            if let Some(connection) = self.idle.acquire() {
                return Ok(Sender::Http1(connection));
            }
            if let Some(stream) = self.http2.with_free_stream().map(|connection| self.idle.stream(connection))
            {
                return Ok(Sender::Http2(stream));
            }
            // Boxed: few requests wait, and the future of each would be as large as this one.
            let opened = Box::pin(self.wait(target, worker, caller)).await;
            // An origin that accepts no new connections may still serve its open ones.
            let opened = opened.or_else(|fault| {
                self.http2
                    .least_used()
                    .map(|connection| Sender::Http2(self.idle.stream(connection)))
                    .ok_or(fault)
            });
            match opened? {
                Sender::Http1(mut pooled) if pooled.is_used => {
                    // The origin may have closed it after the last response.
                    if pooled.http1.is_open() {
                        return Ok(Sender::Http1(pooled));
                    }
                    pooled.http1.close();
                }
                sender => return Ok(sender),
            }
        }
    }

    /// Waits for a connection that another request releases or that is opened, whichever is first.
    async fn wait(
        self: &Rc<Self>,
        target: &Arc<Target>,
        worker: &impl WorkerResources,
        caller: Caller,
    ) -> Result<Sender, NotConnected> {
        let waiter = self.idle.enqueue(caller);
        if self.idle.needs_another(caller, self.requests_each.get()) {
            let permit = worker.acquire_connection_permit().await.ok_or(NotConnected::NoDescriptor)?;
            self.open(Arc::clone(target), worker, permit, caller);
        }
        let limit = target.spec.limits.connect_timeout;
        let handover = tokio::time::timeout(limit, waiter.handover()).await;
        let timed_out = |_| Err(timed_out(&self.origin, &self.health.addresses, limit));
        handover.unwrap_or_else(timed_out).map_err(NotConnected::Failed)
    }

    /// Opens a connection in a separate task: if the request is cancelled meanwhile, the next one uses the connection. The task opens
    /// further connections while they are needed.
    fn open(
        self: &Rc<Self>,
        target: Arc<Target>,
        worker: &impl WorkerResources,
        permit: OwnedSemaphorePermit,
        caller: Caller,
    ) {
        let (origin, batcher, permits) =
            (Rc::clone(self), worker.batcher(), Arc::clone(worker.connection_permits()));
        let mut next = Some((permit, caller, self.idle.begin_opening(caller)));
        tokio::task::spawn_local(async move {
            while let Some((permit, caller, opening)) = next {
                if caller == Caller::Anonymous && !origin.wait_to_open_anonymous().await {
                    return;
                }
                let opened =
                    connect(&target, &origin.origin, &origin.health.addresses, &batcher, permit, &permits)
                        .await;
                drop(opening);
                if let Some(opened) = opened {
                    origin.hand_over(opened.map_err(|error| error.to_string()));
                }
                // Requests may have arrived meanwhile, or have found no free stream on this connection.
                let callers = [Caller::Authenticated, Caller::Anonymous];
                let caller = callers
                    .into_iter()
                    .find(|caller| origin.idle.needs_another(*caller, origin.requests_each.get()));
                next = caller.and_then(|caller| {
                    let permit = Arc::clone(&permits).try_acquire_owned().ok()?;
                    Some((permit, caller, origin.idle.begin_opening(caller)))
                });
            }
        });
    }

    /// Hands a new connection, or the error, to the waiting requests.
    fn hand_over(&self, opened: Result<Opened, String>) {
        if opened.is_ok() {
            self.health.record_connected();
        }
        match opened {
            Ok(Opened::Http1(connection)) => {
                self.requests_each.set(1);
                self.idle.hand_over(Ok(Sender::Http1(connection)));
            }
            Ok(Opened::Http2(connection)) => {
                self.requests_each.set(connection.max_streams());
                // Before the first connection was open, it was unknown that one is enough.
                if !self.idle.has_waiting() && self.http2.has_free_stream() {
                    return;
                }
                self.http2.add(connection);
                if let Some(stream) =
                    self.http2.with_free_stream().map(|connection| self.idle.stream(connection))
                {
                    self.idle.hand_over(Ok(Sender::Http2(stream)));
                }
            }
            Err(reason) if self.requests_each.get() > 1 => self.idle.fail_waiting(&reason),
            Err(reason) => self.idle.hand_over(Err(reason)),
        }
    }

    /// Waits until another connection may be opened for anonymous requests; false if it is no longer needed.
    async fn wait_to_open_anonymous(self: &Rc<Self>) -> bool {
        let Ok(permit) = self.open_permits.acquire().await else { return false };
        if self.idle.has_surplus(Caller::Anonymous) {
            return false;
        }
        permit.forget();
        let origin = Rc::clone(self);
        tokio::task::spawn_local(async move {
            sleep(OPEN_INTERVAL).await;
            origin.open_permits.add_permits(1);
        });
        true
    }
}

/// What new connections need from the worker that opens them.
pub(super) trait WorkerResources {
    /// A permit for another connection. If none is left, an idle connection of this worker is closed; the sweeps of the other workers
    /// close theirs.
    async fn acquire_connection_permit(&self) -> Option<OwnedSemaphorePermit>;

    /// The permits for connections of all workers.
    fn connection_permits(&self) -> &Arc<Semaphore>;

    /// The batcher of the worker's writes.
    fn batcher(&self) -> WriteBatcher;
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::runtime::LocalOptions;

    use super::*;
    use crate::forward::health::UpstreamHealth;

    fn origin() -> Address {
        Address::Unix("/run/auth/server.sock".into())
    }

    #[test]
    fn few_connections_are_opened_at_once_for_anonymous_requests() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let origin = OriginPool::new(origin(), Arc::clone(&UpstreamHealth::new("as", &[origin()]).0[0]));
            let request =
                |_| (origin.idle.enqueue(Caller::Anonymous), origin.idle.begin_opening(Caller::Anonymous));
            let mut waiting: Vec<_> = (0..=OPENS_PER_INTERVAL).map(request).collect();
            for _ in 0..OPENS_PER_INTERVAL {
                assert_eq!(origin.wait_to_open_anonymous().now_or_never(), Some(true));
            }
            let mut next = Box::pin(origin.wait_to_open_anonymous());
            assert_eq!(next.as_mut().now_or_never(), None);
            assert!(next.await);
            // A cancelled request needs no connection.
            let (cancelled, _opening) = waiting.remove(0);
            drop(cancelled);
            assert!(!origin.wait_to_open_anonymous().await);
        });
    }
}
