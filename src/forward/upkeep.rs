//! The thread that looks after origins while requests are served: it looks up their names, checks their health, and connects to those that fail.

use std::{collections::HashMap, io, rc::Rc, sync::Arc, thread::JoinHandle, time::Duration};

use tokio::{
    runtime::LocalOptions,
    sync::{Semaphore, oneshot},
    task::JoinSet,
    time::interval,
};

use super::{Target, check::check_origin, lane::Lane, lookup::keep_resolved, recheck::recheck_origin};
use crate::net::WriteBatcher;

/// How often it looks for upstreams that a reload has added or removed.
const LOOK: Duration = Duration::from_secs(1);
/// The part of its connections for origins that fail and have no health check.
const RECHECKS: usize = 4;
/// The part of its threads for names whose last lookup was slow.
const SLOW_LOOKUPS: usize = 2;

/// What the thread may take at once, of the descriptors that are reserved for everything but requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpkeepLimits {
    /// Connections to origins.
    pub connections: usize,
    /// Host names that are looked up, each on a thread of its own.
    pub lookups: usize,
}

/// Looks after the origins of the upstreams that are active, on a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct Upkeep {
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    /// Starts the thread. `current` returns the active upstreams.
    ///
    /// # Errors
    ///
    /// If the system allows no further thread or event queue.
    pub fn start(
        limits: UpkeepLimits,
        current: impl Fn() -> Vec<Arc<Target>> + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("upkeep".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                // Only lookups block.
                .max_blocking_threads(limits.lookups)
                .build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => {
                    runtime.block_on(async {
                        tokio::select! {
                            () = look_after(limits, current) => {}
                            _ = stopped => {}
                        }
                    });
                    // The end of the edge must not wait for a resolver that does not answer.
                    runtime.shutdown_background();
                }
                Err(error) => {
                    tracing::error!(%error, "cannot look after upstreams: their health is not checked");
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn look_after(limits: UpkeepLimits, current: impl Fn() -> Vec<Arc<Target>>) {
    let lanes = Lanes::new(limits);
    let mut watched: HashMap<usize, (Arc<Target>, JoinSet<()>)> = HashMap::new();
    let mut tick = interval(LOOK);
    loop {
        tick.tick().await;
        let targets = current();
        let key = |target: &Arc<Target>| Arc::as_ptr(target) as usize;
        watched.retain(|address, _| targets.iter().any(|target| key(target) == *address));
        for target in &targets {
            // With the target, so that its address belongs to no other.
            watched.entry(key(target)).or_insert_with(|| (Arc::clone(target), lanes.start(target)));
        }
        lanes.checks.pools.sweep(&targets);
    }
}

/// What is shared by the tasks of all upstreams.
struct Lanes {
    checks: Rc<Lane>,
    rechecks: Rc<Lane>,
    /// The turns of names whose last lookup was slow.
    slow: Arc<Semaphore>,
}

impl Lanes {
    fn new(UpkeepLimits { connections, lookups }: UpkeepLimits) -> Self {
        let batcher = WriteBatcher::default();
        tokio::task::spawn_local(batcher.clone().run());
        // Origins that accept no connection must not make those of other upstreams look unhealthy.
        let rechecks = connections / RECHECKS;
        Self {
            checks: Rc::new(Lane::new(batcher.clone(), connections - rechecks)),
            rechecks: Rc::new(Lane::new(batcher, rechecks)),
            slow: Arc::new(Semaphore::new(lookups / SLOW_LOOKUPS)),
        }
    }

    /// The tasks of one upstream, which end when the set is dropped.
    fn start(&self, target: &Arc<Target>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for index in 0..target.spec.origins.len() {
            if target.spec.policy.health_check.is_some() {
                tasks.spawn_local(check_origin(Rc::clone(&self.checks), Arc::clone(target), index));
            } else {
                tasks.spawn_local(recheck_origin(Rc::clone(&self.rechecks), Arc::clone(target), index));
            }
        }
        let origins = target.spec.origins.iter().zip(&target.health.0);
        for (origin, health) in origins.filter_map(|(address, health)| Some((address.network()?, health))) {
            let (origin, health, target) = (origin.clone(), Arc::clone(health), Arc::clone(target));
            let slow = Arc::clone(&self.slow);
            tasks.spawn_local(async move { keep_resolved(&target, &health, &origin, &slow).await });
        }
        tasks
    }
}
