//! Admission of new connections. If a limit is reached, connections that have not authenticated are closed first.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    task::yield_now,
    time::{Instant, timeout},
};

use super::{
    addresses::AddressPlace,
    eviction::{Eviction, EvictionRequest, Places, Urgency},
    open::OpenConnections,
    shared::Shared,
};
use crate::{
    connection::Turns,
    identity::ClientCertificate,
    net::Network,
    observe::metrics::{CloseReason, Recorder},
    request::Connection,
    site::Site,
};

/// How long a worker remembers that no worker had a stale connection. In a storm of connections, the other workers would otherwise be busy
/// with its eviction requests only.
const NONE_STALE: Duration = Duration::from_millis(50);
/// Decides which connections of one worker are admitted.
#[derive(Debug)]
pub(super) struct Admission {
    shared: Arc<Shared>,
    open: OpenConnections,
    metrics: Recorder,
    /// The worker's number.
    worker: usize,
    /// See [`Admission::evicted`].
    evicted: Cell<usize>,
    /// When no worker had a stale connection.
    none_stale: Cell<Option<Instant>>,
    /// The turns of the worker's connections.
    pub(super) turns: Rc<Turns>,
}

impl Admission {
    pub(super) fn new(
        shared: Arc<Shared>,
        open: OpenConnections,
        metrics: Recorder,
        worker: usize,
    ) -> Rc<Self> {
        let (evicted, none_stale) = (Cell::default(), Cell::default());
        Rc::new(Self { shared, open, metrics, worker, evicted, none_stale, turns: Turns::new() })
    }

    /// Closes connections for other workers while it is polled.
    pub(super) async fn evict_for_others(self: Rc<Self>, mut requests: mpsc::Receiver<EvictionRequest>) {
        while let Some(EvictionRequest { network, urgency, done }) = requests.recv().await {
            // If the other worker has stopped waiting, the places are free for everyone.
            let _ = done.send(self.evict(network, urgency));
            // The task of the closed connection is dropped, and its descriptor closed, before the next one's.
            yield_now().await;
        }
    }

    /// The number of connections that were closed and keep their descriptors until other tasks run.
    pub(super) fn evicted(&self) -> usize {
        self.evicted.get()
    }

    /// Notes that other tasks have run.
    pub(super) fn clear_evicted(&self) {
        self.evicted.set(0);
    }

    /// Takes the places for a new connection from this network; `None` for a network that is not limited. Returns `None` if there are
    /// none.
    ///
    /// If one of this worker's own connections can be closed, the future is ready at its first poll. Otherwise it waits for other
    /// workers, or until a connection may be closed.
    pub(super) async fn admit(self: Rc<Self>, network: Option<Network>) -> Option<Places> {
        let of_address = match network {
            None => None,
            Some(network) => match self.admit_of(network).await? {
                (of_address, Some(of_all)) => return Some(Places { of_all, of_address: Some(of_address) }),
                (of_address, None) => Some(of_address),
            },
        };
        loop {
            if let Ok(of_all) = Arc::clone(&self.shared.places).try_acquire_owned() {
                return Some(Places { of_all, of_address });
            }
            self.turns.note_full();
            let wait = match self.evict_of_all(network).await {
                Eviction::Done(Places { of_all, .. }) => return Some(Places { of_all, of_address }),
                Eviction::TooYoung(wait) => wait,
                Eviction::Crowd | Eviction::None => {
                    self.metrics.connections_over_bound.increment();
                    self.metrics.connections_closed.increment(CloseReason::Bound);
                    return None;
                }
            };
            let free = Arc::clone(&self.shared.places).acquire_owned();
            if let Ok(Ok(of_all)) = timeout(wait, free).await {
                return Some(Places { of_all, of_address });
            }
        }
    }

    /// Takes a place within the limit of an address; `None` if there is none.
    pub(super) async fn place_of(&self, network: Network) -> Option<AddressPlace> {
        self.admit_of(network).await.map(|(place, _)| place)
    }

    /// Takes a place within the limit of an address. If a connection of that address was closed for it, returns its place within the limit
    /// on all connections too.
    async fn admit_of(&self, network: Network) -> Option<(AddressPlace, Option<OwnedSemaphorePermit>)> {
        let limit = self.shared.site.load().limits.connections_per_address.unwrap_or(self.shared.per_address);
        if let Some(place) = self.shared.addresses.take(network, limit) {
            return Some((place, None));
        }
        // An address that is at its limit only loses its own connections.
        if let Eviction::Done(Places { of_all, of_address: Some(place) }) =
            self.evict_anywhere(Some(network), Urgency::Any).await
        {
            return Some((place, Some(of_all)));
        }
        self.metrics.connections_closed.increment(CloseReason::Address);
        None
    }

    /// Closes a connection of any address for a new one from this network. Some of them are honest and still in their handshakes, so
    /// new ones are spared first.
    async fn evict_of_all(&self, newcomer: Option<Network>) -> Eviction {
        let is_futile = self.none_stale.get().is_some_and(|at| at.elapsed() < NONE_STALE);
        let stale = if is_futile {
            self.evict(None, Urgency::Stale)
        } else {
            self.evict_anywhere(None, Urgency::Stale).await
        };
        if matches!(stale, Eviction::Done(_)) {
            return stale;
        }
        if !is_futile {
            self.none_stale.set(Some(Instant::now()));
        }
        self.evict_anywhere(None, Urgency::Young(newcomer)).await
    }

    /// Closes a connection of this worker, or else of another one.
    async fn evict_anywhere(&self, network: Option<Network>, urgency: Urgency) -> Eviction {
        let mut found = self.evict(network, urgency);
        let others = self.shared.evictors.iter().enumerate().filter(|(worker, _)| *worker != self.worker);
        for (_, other) in others {
            if matches!(found, Eviction::Done(_) | Eviction::Crowd) {
                break;
            }
            let (done, is_done) = oneshot::channel();
            // A worker that has ended has no connections.
            if other.send(EvictionRequest { network, urgency, done }).await.is_ok()
                && let Ok(theirs) = is_done.await
            {
                found = found.or(theirs);
            }
        }
        found
    }

    fn evict(&self, network: Option<Network>, urgency: Urgency) -> Eviction {
        let site = self.shared.site.load();
        let eviction = self.open.evict(network, urgency, &|connection| is_registered(&site, connection));
        if matches!(eviction, Eviction::Done(_)) {
            self.metrics.connections_closed.increment(CloseReason::Evicted);
            self.evicted.set(self.evicted.get() + 1);
        }
        eviction
    }
}

/// Whether the client presented a certificate that is registered by its thumbprint, or that has authenticated before. A name alone does not
/// count, since anyone can write it into a certificate.
fn is_registered(site: &Site, connection: &Connection) -> bool {
    let Some(identity) = &connection.identity else { return false };
    let has_thumbprint =
        |certificate: &ClientCertificate| site.trust.registry.has_thumbprint(&certificate.thumbprint());
    identity.has_authenticated() || identity.certificate.as_ref().is_ok_and(has_thumbprint)
}
