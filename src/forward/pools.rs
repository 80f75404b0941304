//! The connection pools of one worker, one per upstream.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use super::{
    ForwardError, RequestBody, ResponseBody, Target, Tried,
    in_flight::{Caller, InFlightGuard},
    origin::{NotConnected, OriginPool, WorkerResources},
    pool::Pool,
};
use crate::{h1::Field, net::WriteBatcher};

/// How long a request waits if too many are in flight, before it is tried once more and refused. If it were refused at once, a client that
/// sends a new request after each refusal would use all of a worker's time.
const BUSY_WAIT: Duration = Duration::from_millis(100);
/// How long an HTTP/2 connection that is closed for its permit may take to send GOAWAY, before another one is closed.
const GOAWAY_TIME: Duration = Duration::from_millis(100);

/// All pools of one worker.
#[derive(Debug)]
pub struct Pools {
    /// By the address of their target. There are few, so that a tree costs less than a hash.
    by_target: RefCell<BTreeMap<usize, Rc<Pool>>>,
    batcher: WriteBatcher,
    /// Permits for connections to all upstreams, shared by all workers.
    connection_permits: Arc<Semaphore>,
    /// Permits for anonymous requests to all upstreams, shared by all workers.
    anonymous_permits: Arc<Semaphore>,
}

impl Pools {
    /// No pools yet. Each connection takes a connection permit, each anonymous request an anonymous permit.
    #[must_use]
    pub fn new(
        batcher: WriteBatcher,
        connection_permits: Arc<Semaphore>,
        anonymous_permits: Arc<Semaphore>,
    ) -> Self {
        Self { by_target: RefCell::default(), batcher, connection_permits, anonymous_permits }
    }

    /// Whether the predicate holds for any origin; it is not called for those after it.
    fn any_origin(&self, predicate: impl Fn(&OriginPool) -> bool) -> bool {
        self.by_target.borrow().values().flat_map(|pool| pool.origins()).any(|origin| predicate(origin))
    }

    /// Whether no connection permit is left, so that idle connections must be closed.
    fn is_exhausted(&self) -> bool {
        self.connection_permits.available_permits() == 0
    }

    /// Sends a request, which it takes, to an origin of the target, and returns the response once its head is complete.
    /// `record` gets what was tried; `field` is sent beside the request's map.
    ///
    /// # Errors
    ///
    /// If no origin responds; see [`ForwardError`].
    pub async fn send(
        &self,
        target: &Arc<Target>,
        request: &mut Option<Request<RequestBody>>,
        caller: Caller,
        record: &Tried,
        field: Option<Field<'_>>,
    ) -> Result<Response<ResponseBody>, ForwardError> {
        let pool = self.pool(target);
        let mut in_flight = InFlightGuard::acquire(target, caller, &self.anonymous_permits);
        if in_flight.is_none() {
            // Boxed: almost no request waits, and the future of each would be larger.
            Box::pin(sleep(BUSY_WAIT)).await;
            in_flight = InFlightGuard::acquire(target, caller, &self.anonymous_permits);
        }
        if in_flight.is_none() {
            let upstream = target.spec.name.clone();
            return Err(ForwardError::Busy {
                upstream,
                reason: "its limit of connections is reached".to_owned(),
                caller,
            });
        }
        pool.send(self, (request, field), &mut in_flight, caller, record).await
    }

    /// Sends a request of the edge itself to one origin of the target, in whatever state that is.
    ///
    /// # Errors
    ///
    /// A sentence for the log.
    pub async fn send_to(
        &self,
        target: &Arc<Target>,
        origin: usize,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, NotConnected> {
        let pool = self.pool(target);
        let mut in_flight = Some(InFlightGuard::unlimited(target));
        pool.send_to(self, origin, &mut Some(request), &mut in_flight).await
    }

    fn pool(&self, target: &Arc<Target>) -> Rc<Pool> {
        let key = Arc::as_ptr(target) as usize;
        let mut pools = self.by_target.borrow_mut();
        Rc::clone(pools.entry(key).or_insert_with(|| Rc::new(Pool::new(target))))
    }

    /// Closes connections that were idle for their upstream's `idle_timeout`, and those of upstreams that are no longer among
    /// `current`. To be called every few seconds.
    pub fn sweep<'a>(&self, current: impl IntoIterator<Item = &'a Arc<Target>>) {
        let current: Vec<usize> = current.into_iter().map(|target| Arc::as_ptr(target) as usize).collect();
        self.by_target.borrow_mut().retain(|key, _| current.contains(key));
        for pool in self.by_target.borrow().values() {
            for origin in pool.origins() {
                // Another worker may need the permits of this one's idle connections.
                let limit =
                    if self.is_exhausted() { Duration::ZERO } else { pool.target().spec.limits.idle_timeout };
                origin.idle.close_expired(limit, &origin.health.addresses);
                origin.http2.close_expired(limit, &origin.health.addresses);
            }
        }
    }
}

impl WorkerResources for Pools {
    fn batcher(&self) -> WriteBatcher {
        self.batcher.clone()
    }

    fn connection_permits(&self) -> &Arc<Semaphore> {
        &self.connection_permits
    }

    async fn acquire_connection_permit(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(permit) = Arc::clone(&self.connection_permits).try_acquire_owned() {
                return Some(permit);
            }
            // The permit of an HTTP/1.1 connection is released at once.
            if self.any_origin(|origin| origin.idle.close_oldest()) {
                continue;
            }
            // An HTTP/2 connection's task sends GOAWAY first.
            if !self.any_origin(|origin| origin.http2.close_oldest()) {
                return None;
            }
            let permit = timeout(GOAWAY_TIME, Arc::clone(&self.connection_permits).acquire_owned()).await;
            if let Ok(Ok(permit)) = permit {
                return Some(permit);
            }
        }
    }
}
