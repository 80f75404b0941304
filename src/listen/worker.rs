//! One worker: a thread, a single-threaded runtime, its own listening sockets, pools and caches.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    runtime::LocalOptions,
    sync::{Semaphore, mpsc, watch},
    task::yield_now,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    admission::Admission,
    bound::Places,
    burst::Burst,
    eviction::EvictionRequest,
    open::{Entry, OpenConnections},
    shared::Shared,
};
use crate::{
    connection::{self, Context, Life, Slot},
    forward::Pools,
    net::{Network, WriteBatcher},
    observe::log::{self, LineLimit},
    request::{Connection, StrangerBodies, TokenVerifier, Tracer, WorkerParts, counted_network},
};

/// How often a worker closes connections to upstreams that have expired or belong to an upstream or an address of the past.
const SWEEP: Duration = Duration::from_secs(1);

/// Connections that are accepted before other tasks run: each takes some 15 us, in which open connections wait.
const ACCEPTED: usize = 8;
/// The most connections that a worker takes from the kernel's queue when it ends. A socket of systemd's has a backlog of its own, and the queue
/// has one place more than that.
const LAST: usize = 65_536;
/// Connections of a port that wait for a place at the same time; others wait in the kernel's queue.
const WAITING: usize = 2;

/// How long connections of the kernel's queue may wait for a place or a descriptor once the edge ends.
const QUEUED: Duration = Duration::from_secs(1);

/// How long to wait after the system had no descriptor or memory for a connection.
const SHORTAGE: Duration = Duration::from_millis(50);

/// Limits the log lines about connections that cannot be accepted.
static UNACCEPTED: LineLimit = LineLimit::new(Duration::from_secs(10), 1);

/// What all workers do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// They are ready to accept connections.
    Waiting,
    /// They accept connections.
    Serving,
    /// Connections leave: each serves one more request. Those that are left after `drain_timeout` are closed.
    Ending(End),
}

/// How the workers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// They accept for `drain_delay`. An idle connection is closed after that.
    Stopped,
    /// Another process accepts on the same sockets. An idle connection has `drain_timeout` for its last request, so that its client
    /// finds out about the end from the response.
    Replaced,
}

/// How long a drain may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrainTimes {
    pub(super) delay: Duration,
    pub(super) timeout: Duration,
}

/// Runs a worker until the stage is [`Stage::Ending`], and then until its connections have ended or the time is over.
pub(super) fn run(
    number: usize,
    listeners: Vec<TcpListener>,
    shared: &Arc<Shared>,
    requests: mpsc::Receiver<EvictionRequest>,
    mut stage: watch::Receiver<Stage>,
    times: DrainTimes,
) -> io::Result<()> {
    log::enable_batching();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Only the resolution of upstream names blocks.
        .max_blocking_threads(shared.shares.resolving)
        .on_thread_park(log::flush)
        .build_local(LocalOptions::default())?;
    let result = runtime.block_on(async move {
        let batcher = WriteBatcher::default();
        tokio::task::spawn_local(batcher.clone().run());
        let pools = Rc::new(Pools::new(
            batcher.clone(),
            Arc::clone(&shared.upstream_places),
            Arc::clone(&shared.stranger_places),
        ));
        let metrics = shared.metrics.recorder();
        let parts = Rc::new(WorkerParts {
            identities: Rc::default(),
            stranger_bodies: StrangerBodies::default(),
            clock: shared.clock.clone(),
            tokens: Rc::new(TokenVerifier::new(&shared.clock, &shared.stores.proofs, &pools, &metrics)),
            pools,
            metrics,
            bodies: Arc::clone(&shared.bodies),
            replay: Arc::clone(&shared.stores.replay),
            rates: Arc::clone(&shared.rates),
            site: Arc::clone(&shared.site),
            tracer: Tracer::new(Arc::clone(&shared.site), Arc::clone(&shared.spans)),
        });
        let open = OpenConnections::new();
        let admission = Admission::new(Arc::clone(shared), open.clone(), parts.metrics.clone(), number);
        tokio::task::spawn_local(Rc::clone(&admission.turns).run());
        let evicting = tokio::task::spawn_local(Rc::clone(&admission).evict_for_others(requests));
        // An error means that the sender is gone: the same as a drain.
        let _ = stage.wait_for(|stage| *stage != Stage::Waiting).await;
        let (close, closing) = watch::channel(false);
        let mut accepting = Vec::new();
        for listener in listeners {
            let port = listener.local_addr()?.port();
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let acceptor = Acceptor {
                port,
                admission: Rc::clone(&admission),
                shared: Arc::clone(shared),
                open: open.clone(),
                context: Context {
                    site: Arc::clone(&shared.site),
                    parts: Rc::clone(&parts),
                    batcher: batcher.clone(),
                    turns: Rc::clone(&admission.turns),
                },
            };
            accepting.push(tokio::task::spawn_local(Rc::new(acceptor).accept(listener, closing.clone())));
        }
        let (pools, site, connections) = (Rc::clone(&parts.pools), Arc::clone(&shared.site), open.clone());
        let sweeper = tokio::task::spawn_local(async move {
            let (mut tick, mut burst) = (tokio::time::interval(SWEEP), Burst::default());
            loop {
                tick.tick().await;
                burst.observe(&connections);
                pools.sweep(site.load().pooled_targets());
            }
        });
        let ended = |stage: &Stage| matches!(stage, Stage::Ending(_));
        let is_replaced = stage.wait_for(ended).await.is_ok_and(|end| *end == Stage::Ending(End::Replaced));
        let now = Instant::now();
        let until = now + if is_replaced { times.delay.max(times.timeout) } else { times.delay };
        open.drain(until);
        if !is_replaced {
            sleep_until(until).await;
        }
        close.send_replace(true);
        for mut task in accepting {
            if timeout(QUEUED, &mut task).await.is_err() {
                task.abort();
                // If it is replaced, the other process accepts them.
                if !is_replaced {
                    tracing::warn!(
                        "queued connections may be reset: the edge has had no places or descriptors for them"
                    );
                }
            }
        }
        evicting.abort();
        let _ = timeout_at(until, open.none_left()).await;
        if timeout(times.timeout, open.none_left()).await.is_err() {
            tracing::warn!(
                connections = open.count(),
                "drain_timeout is over: the connections left are closed"
            );
            open.mark_broken_off();
        }
        sweeper.abort();
        batcher.flush();
        Ok(())
    });
    // The end of the edge must not wait for a resolver that does not answer.
    runtime.shutdown_background();
    result
}

/// Accepts the connections of one port of a worker.
#[derive(Clone)]
struct Acceptor {
    port: u16,
    admission: Rc<Admission>,
    shared: Arc<Shared>,
    open: OpenConnections,
    context: Context,
}

impl Acceptor {
    /// Accepts connections until `closing` turns true, and then those in the kernel's queue, which would be reset otherwise.
    async fn accept(self: Rc<Self>, listener: tokio::net::TcpListener, mut closing: watch::Receiver<bool>) {
        // Connections that wait for a place.
        let waiting = Arc::new(Semaphore::new(WAITING));
        // An error means that the sender is gone.
        let mut closed = pin!(async move { drop(closing.wait_for(|closing| *closing).await) });
        for number in 1_usize.. {
            if number % ACCEPTED == 0 || self.admission.evicted() >= self.shared.shares.closing {
                yield_now().await;
                self.admission.clear_evicted();
            }
            // Connections inherit the listener's TCP_NODELAY.
            let accepted = tokio::select! {
                biased;
                () = &mut closed => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => self.admit(accepted, &waiting).await,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if let Some(others) = UNACCEPTED.others() {
                        tracing::warn!(%error, others, "a connection cannot be accepted");
                    }
                    // The system has no descriptors or memory left, although the process has: accepting again at once would spin.
                    tokio::time::sleep(SHORTAGE).await;
                }
            }
        }
        let Ok(listener) = listener.into_std() else { return };
        let mut is_reported = false;
        for _ in 0..LAST {
            let accepted = listener.accept().and_then(|(stream, peer)| {
                stream.set_nonblocking(true)?;
                Ok((TcpStream::from_std(stream)?, peer))
            });
            match accepted {
                Ok(accepted) => self.admit(accepted, &waiting).await,
                Err(error) if is_of_one_connection(&error) => {}
                // The queue is empty.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    if !std::mem::replace(&mut is_reported, true) {
                        tracing::warn!(%error, "queued connections cannot be accepted yet");
                    }
                    // Connections that end leave descriptors and memory.
                    tokio::time::sleep(SHORTAGE).await;
                }
            }
        }
    }

    /// Serves a connection once it has its places. One that has to wait for them does not delay the next ones.
    async fn admit(self: &Rc<Self>, accepted: (TcpStream, SocketAddr), waiting: &Arc<Semaphore>) {
        self.context.parts.metrics.connections_accepted.increment();
        let Ok(network) = self.network(accepted.1.ip()) else {
            connection::report_denied(&self.context.parts.metrics, accepted.1.ip());
            return;
        };
        let mut admission = Box::pin(Rc::clone(&self.admission).admit(network));
        tokio::select! {
            biased;
            places = &mut admission => {
                if let Some(places) = places {
                    self.serve(accepted, network, places);
                }
            }
            Ok(waits) = Arc::clone(waiting).acquire_owned() => {
                let (acceptor, timeout) = (Rc::clone(self), self.shared.site.load().limits.handshake_timeout);
                tokio::task::spawn_local(async move {
                    let places = tokio::time::timeout(timeout, admission).await;
                    drop(waits);
                    if let Ok(Some(places)) = places {
                        acceptor.serve(accepted, network, places);
                    }
                });
            }
        }
    }

    /// The network to which a connection from this address is counted, if any.
    fn network(&self, ip: IpAddr) -> Result<Option<Network>, Denied> {
        let site = self.shared.site.load();
        // Behind a balancer with the PROXY protocol the address is not known yet.
        if site.proxy_protocol {
            return Ok(None);
        }
        if site.clients.permit(ip) { Ok(counted_network(ip, &site)) } else { Err(Denied) }
    }

    /// Serves a connection that has its places.
    fn serve(&self, accepted: (TcpStream, SocketAddr), network: Option<Network>, places: Places) {
        let entry = self.open.enter(network, places, self.shared.site.load().limits.handshake_timeout);
        let number = entry.number();
        let slot = Place { entry, admission: Rc::clone(&self.admission) };
        let serving = connection::serve(accepted, self.port, self.context.clone(), slot);
        let task = tokio::task::spawn_local(serving);
        self.open.served_by(number, task.abort_handle());
    }
}

/// Clients with this address are not served.
struct Denied;

/// An open connection's entry, and the admission that may assign it to a network later.
struct Place {
    entry: Entry,
    admission: Rc<Admission>,
}

impl Slot for Place {
    fn number(&self) -> u64 {
        self.entry.number()
    }

    async fn assign(&self, network: Network) -> bool {
        let places = self.admission.places_of_address(network).await;
        places.map(|places| self.entry.assign(network, places)).is_some()
    }

    fn life(&self) -> &Rc<Life> {
        self.entry.life()
    }

    fn established(&self, connection: &Rc<Connection>) {
        self.entry.established(connection);
    }
}

/// Whether an accept failed because of the connection alone (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | TimedOut)
}
