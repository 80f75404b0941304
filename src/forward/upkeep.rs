//! The thread that looks after origins while requests are served: it looks up their names, checks their health, and connects to those that fail.

use std::{collections::HashMap, io, rc::Rc, sync::Arc, thread::JoinHandle, time::Duration};

use tokio::{
    runtime::LocalOptions,
    sync::{Semaphore, oneshot},
    task::JoinSet,
    time::interval,
};

use super::{Pools, Target, check::check_origin, lookup::keep_resolved, recheck::recheck_origin};
use crate::net::WriteBatcher;

/// How often it looks for upstreams that a reload has added or removed.
const LOOK: Duration = Duration::from_secs(1);
/// How many connections it may have open at once, of those that are reserved for everything but requests.
const CONNECTIONS: usize = 16;
/// How many of them connect to origins that fail. Health checks have the others: origins that accept no connection must not make those of
/// other upstreams look unhealthy.
const RECHECKS: usize = 4;

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
    pub fn start(current: impl Fn() -> Vec<Arc<Target>> + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("upkeep".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => {
                    runtime.block_on(async {
                        tokio::select! {
                            () = look_after(current) => {}
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

async fn look_after(current: impl Fn() -> Vec<Arc<Target>>) {
    let batcher = WriteBatcher::default();
    tokio::task::spawn_local(batcher.clone().run());
    let pools = |connections| {
        let permits = Arc::new(Semaphore::new(connections));
        Rc::new(Pools::new(batcher.clone(), Arc::clone(&permits), permits))
    };
    let (checks, rechecks) = (pools(CONNECTIONS - RECHECKS), pools(RECHECKS));
    let mut watched: HashMap<usize, (Arc<Target>, JoinSet<()>)> = HashMap::new();
    let mut tick = interval(LOOK);
    loop {
        tick.tick().await;
        let targets = current();
        let key = |target: &Arc<Target>| Arc::as_ptr(target) as usize;
        watched.retain(|address, _| targets.iter().any(|target| key(target) == *address));
        for target in &targets {
            // With the target, so that its address belongs to no other.
            watched
                .entry(key(target))
                .or_insert_with(|| (Arc::clone(target), start(&checks, &rechecks, target)));
        }
        checks.sweep(&targets);
    }
}

/// The tasks of one upstream, which end when the set is dropped.
fn start(checks: &Rc<Pools>, rechecks: &Rc<Pools>, target: &Arc<Target>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for index in 0..target.spec.origins.len() {
        if target.spec.policy.health_check.is_some() {
            tasks.spawn_local(check_origin(Rc::clone(checks), Arc::clone(target), index));
        } else {
            tasks.spawn_local(recheck_origin(Rc::clone(rechecks), Arc::clone(target), index));
        }
    }
    let origins = target.spec.origins.iter().zip(&target.health.0);
    for (origin, health) in origins.filter_map(|(address, health)| Some((address.network()?, health))) {
        let (origin, health, target) = (origin.clone(), Arc::clone(health), Arc::clone(target));
        tasks.spawn_local(async move {
            let refresh = target.spec.policy.dns_refresh;
            keep_resolved(&health, &origin, &target.spec.name, refresh).await;
        });
    }
    tasks
}
