//! One worker: a thread, a single-threaded runtime, its own listening sockets, pools and caches.

use std::{
    net::TcpListener,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{runtime::LocalOptions, sync::watch};

use super::{connection, open::OpenConnections, shared::Shared};
use crate::{authenticate::ChainCache, forward::Pools, http::WorkerParts, net::Outbox, observe::log};

/// Chains that a worker remembers; each takes about 4 KiB.
const CHAINS: usize = 10_000;

/// Runs a worker until `drain` turns true and its connections have ended, or `drain_timeout` is over.
pub(super) fn run(
    listeners: Vec<TcpListener>,
    shared: &Arc<Shared>,
    drain: watch::Receiver<bool>,
    drain_timeout: Duration,
) -> std::io::Result<()> {
    log::gather();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(log::flush)
        .build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let outbox = Outbox::default();
        tokio::task::spawn_local(outbox.clone().run());
        let parts = WorkerParts {
            chains: Rc::new(ChainCache::new(CHAINS)),
            peers: Rc::default(),
            pools: Rc::new(Pools::new(outbox.clone())),
            counters: Arc::clone(&shared.counters),
        };
        let open = OpenConnections::default();
        let mut accepting = Vec::new();
        for listener in listeners {
            let port = listener.local_addr()?.port();
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.push(tokio::task::spawn_local(accept(
                listener,
                port,
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
    shared: Arc<Shared>,
    parts: WorkerParts,
    outbox: Outbox,
    open: OpenConnections,
) {
    loop {
        // Connections have the listener's TCP_NODELAY.
        let accepted = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: accepting again at once would spin.
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        shared.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
            shared.counters.over_bound.fetch_add(1, Ordering::Relaxed);
            drop(accepted);
            continue;
        };
        let entry = open.enter();
        let (shared, parts, outbox) = (Arc::clone(&shared), parts.clone(), outbox.clone());
        tokio::task::spawn_local(async move {
            connection::serve(accepted, port, shared, parts, outbox, entry).await;
            drop(place);
        });
    }
}
