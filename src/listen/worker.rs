//! One worker: a thread, a single-threaded runtime, its own listening sockets, pools and caches.

use std::{
    io,
    net::TcpListener,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    runtime::LocalOptions,
    sync::{mpsc, watch},
    task::yield_now,
    time::Instant,
};

use super::{
    connection,
    door::{Ask, Door, counted},
    open::OpenConnections,
    shared::Shared,
};
use crate::{authenticate::ChainCache, forward::Pools, http::WorkerParts, net::Outbox, observe::log};

/// Chains that a worker remembers; each takes about 4 KiB.
const CHAINS: usize = 10_000;

/// Connections that are accepted before other tasks run.
const ACCEPTED: usize = 8;

/// Runs a worker until `drain` turns true and its connections have ended, or `drain_timeout` is over.
pub(super) fn run(
    number: usize,
    listeners: Vec<TcpListener>,
    shared: &Arc<Shared>,
    asked: mpsc::Receiver<Ask>,
    drain: watch::Receiver<bool>,
    drain_timeout: Duration,
) -> io::Result<()> {
    log::gather();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // All that blocks is the look-up of upstreams' names.
        .max_blocking_threads(shared.resolving)
        .on_thread_park(log::flush)
        .build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let outbox = Outbox::default();
        tokio::task::spawn_local(outbox.clone().run());
        let parts = WorkerParts {
            chains: Rc::new(ChainCache::new(CHAINS)),
            peers: Rc::default(),
            pools: Rc::new(Pools::new(
                outbox.clone(),
                Arc::clone(&shared.upstream_places),
                Arc::clone(&shared.stranger_places),
            )),
            counters: Arc::clone(&shared.counters),
            buffered: Arc::clone(&shared.buffered),
        };
        let open = OpenConnections::new();
        let door = Door::new(Arc::clone(shared), open.clone(), number);
        tokio::task::spawn_local(Rc::clone(&door.turns).run());
        let mut accepting = vec![tokio::task::spawn_local(Rc::clone(&door).make_room_for_others(asked))];
        for listener in listeners {
            let port = listener.local_addr()?.port();
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.push(tokio::task::spawn_local(accept(
                listener,
                port,
                Rc::clone(&door),
                Arc::clone(shared),
                parts.clone(),
                outbox.clone(),
                open.clone(),
            )));
        }
        let (pools, site) = (Rc::clone(&parts.pools), Arc::clone(&shared.site));
        let sweeper = tokio::task::spawn_local(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(5));
            loop {
                tick.tick().await;
                pools.sweep(site.load().targets());
            }
        });
        let mut drain = drain;
        // An error means that the sender is gone: the same as a drain.
        let _ = drain.wait_for(|drain| *drain).await;
        for task in accepting {
            task.abort();
            let _ = task.await;
        }
        open.drain();
        if tokio::time::timeout(drain_timeout, open.none_left()).await.is_err() {
            tracing::warn!(
                connections = open.count(),
                "drain_timeout is over: the connections left are closed"
            );
        }
        sweeper.abort();
        outbox.send();
        Ok(())
    })
}

async fn accept(
    listener: tokio::net::TcpListener,
    port: u16,
    door: Rc<Door>,
    shared: Arc<Shared>,
    parts: WorkerParts,
    outbox: Outbox,
    open: OpenConnections,
) {
    let mut failures = Failures::default();
    for number in 1_usize.. {
        if number % ACCEPTED == 0 {
            yield_now().await;
        }
        // Connections have the listener's TCP_NODELAY.
        let accepted = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                failures.log(&error);
                // The system has no descriptors or memory left, since the process has: accepting again at once would spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        shared.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let (network, address_place) = {
            let site = shared.site.load_full();
            // Behind a balancer with the PROXY protocol the address is not known yet.
            let network = if site.proxy_protocol { None } else { counted(accepted.1.ip(), &site) };
            match network {
                None => (None, None),
                Some(network) => match door.place_of(network, &site).await {
                    None => continue,
                    place => (Some(network), place),
                },
            }
        };
        let Some(place) = door.place().await else { continue };
        let entry = open.enter(network);
        let number = entry.number();
        let (shared, parts, outbox) = (Arc::clone(&shared), parts.clone(), outbox.clone());
        let door = Rc::clone(&door);
        let task = tokio::task::spawn_local(async move {
            connection::serve(accepted, port, door, shared, parts, outbox, entry).await;
            drop((place, address_place));
        });
        open.served_by(number, task.abort_handle());
    }
}

/// Whether an accept failed for the sake of the connection alone (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | TimedOut)
}

/// Accepts that failed, logged now and then.
#[derive(Debug, Default)]
struct Failures {
    since: usize,
    logged: Option<Instant>,
}

impl Failures {
    fn log(&mut self, error: &io::Error) {
        self.since += 1;
        if self.logged.is_none_or(|at| at.elapsed() >= Duration::from_secs(10)) {
            tracing::warn!(%error, times = self.since, "a connection can't be accepted");
            *self = Self { since: 0, logged: Some(Instant::now()) };
        }
    }
}
