//! Connections of one worker to all upstreams, kept alive and reused. No lock: all on one thread.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use super::{
    ForwardError, RequestBody, ResponseBody, Target,
    in_use::{Caller, InUse},
    origin::{OriginPool, Room},
    pool::Pool,
};
use crate::net::WriteBatcher;

/// So long a request waits where as many are in flight as may be, before it is looked once more, and refused. Refused at once, a
/// client that sends the next one for each of them would take all of a worker's time.
const FULL: Duration = Duration::from_millis(100);
/// How long an HTTP/2 connection that was closed to make room may take to send its GOAWAY before another one is closed.
const GOODBYE: Duration = Duration::from_millis(100);

/// All pools of one worker.
#[derive(Debug)]
pub struct Pools {
    by_target: RefCell<HashMap<usize, Rc<Pool>>>,
    batcher: WriteBatcher,
    /// Connections that may still be opened, by all workers together.
    places: Arc<Semaphore>,
    /// Requests of anybody that may still be in flight, to all upstreams together.
    strangers: Arc<Semaphore>,
}

impl Pools {
    /// None yet; what they send is gathered here, each connection takes one of these places, and each request of anybody one of
    /// those for strangers.
    #[must_use]
    pub fn new(batcher: WriteBatcher, places: Arc<Semaphore>, strangers: Arc<Semaphore>) -> Self {
        Self { by_target: RefCell::default(), batcher, places, strangers }
    }

    /// Whether this is true of any origin; those after it are not asked.
    fn any_origin(&self, is_true: impl Fn(&OriginPool) -> bool) -> bool {
        self.by_target.borrow().values().flat_map(|pool| pool.origins()).any(|origin| is_true(origin))
    }

    /// Whether so few connections may still be opened that none is kept for later.
    fn is_short(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Sends a request to an origin of the target, and gives the response as soon as its head is there.
    pub async fn send(
        &self,
        target: &Arc<Target>,
        request: Request<RequestBody>,
        caller: Caller,
    ) -> Result<Response<ResponseBody>, ForwardError> {
        // It is large, and stays where it is until it is sent.
        let mut request = Some(request);
        let key = Arc::as_ptr(target) as usize;
        let pool =
            Rc::clone(self.by_target.borrow_mut().entry(key).or_insert_with(|| Rc::new(Pool::new(target))));
        let mut in_use = InUse::take(target, caller, &self.strangers);
        if in_use.is_none() {
            // Boxed: next to no request waits here, and each would be larger.
            Box::pin(sleep(FULL)).await;
            in_use = InUse::take(target, caller, &self.strangers);
        }
        if in_use.is_none() {
            let upstream = target.name.clone();
            return Err(ForwardError::Busy {
                upstream,
                reason: "its bound on connections is reached".to_owned(),
            });
        }
        pool.send(self, &mut request, &mut in_use, caller).await
    }

    /// Closes connections that were unused for their upstream's `idle_timeout`, and those of upstreams that are not
    /// among `current` any more; to be called now and then.
    pub fn sweep<'a>(&self, current: impl IntoIterator<Item = &'a Arc<Target>>) {
        let current: Vec<usize> = current.into_iter().map(|target| Arc::as_ptr(target) as usize).collect();
        self.by_target.borrow_mut().retain(|key, _| current.contains(key));
        for pool in self.by_target.borrow().values() {
            for origin in pool.origins() {
                // Another worker may need what this one keeps.
                let limit = if self.is_short() { Duration::ZERO } else { pool.target().limits.idle_timeout };
                origin.idle.drop_older_than(limit);
                origin.http2.drop_older_than(limit);
            }
        }
    }
}

impl Room for Pools {
    fn batcher(&self) -> WriteBatcher {
        self.batcher.clone()
    }

    fn places(&self) -> &Arc<Semaphore> {
        &self.places
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return Some(place);
            }
            // Closed at once, and its place is free.
            if self.any_origin(|origin| origin.idle.drop_oldest()) {
                continue;
            }
            // Closed by its task, which says goodbye first.
            if !self.any_origin(|origin| origin.http2.drop_oldest()) {
                return None;
            }
            let place = timeout(GOODBYE, Arc::clone(&self.places).acquire_owned()).await;
            if let Ok(Ok(place)) = place {
                return Some(place);
            }
        }
    }
}
