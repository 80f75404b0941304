//! Admission of new connections. If a limit is reached, connections that have not authenticated are closed first.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    task::yield_now,
    time::{Instant, timeout},
};

use super::{
    addresses::AddressPlace,
    bound::{ByLimit, Counted, Place, Places},
    eviction::{Eviction, EvictionRequest, Urgency},
    open::OpenConnections,
    reached::Limit,
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
    /// When no worker had a stale connection, for each limit.
    none_stale: ByLimit<Cell<Option<Instant>>>,
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
        let (evicted, none_stale) = (Cell::default(), ByLimit::default());
        Rc::new(Self { shared, open, metrics, worker, evicted, none_stale, turns: Turns::new() })
    }

    /// Closes connections for other workers while it is polled.
    pub(super) async fn evict_for_others(self: Rc<Self>, mut requests: mpsc::Receiver<EvictionRequest>) {
        while let Some(EvictionRequest { counted, network, urgency, done }) = requests.recv().await {
            // If the other worker has stopped waiting, the places are free for everyone.
            let _ = done.send(self.evict(counted, network, urgency));
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
        let (open, spare) = self.place(Counted::Open, network, None).await?;
        // A connection that was closed in its handshake leaves that place, too.
        let spare = spare.map(|Place { of_all, .. }| of_all);
        let (handshake, _) = self.place(Counted::Handshakes, network, spare).await?;
        Some(Places { open, handshake: Some(handshake) })
    }

    /// Takes a place within one limit: the spare one if there is one, apart from the limit of the address. If a connection was closed for it,
    /// returns its place within the other limit, too.
    async fn place(
        &self,
        counted: Counted,
        network: Option<Network>,
        spare: Option<OwnedSemaphorePermit>,
    ) -> Option<(Place, Option<Place>)> {
        let of_address = match network {
            None => None,
            Some(network) => match self.place_of_address(counted, network).await? {
                (of_address, None) => Some(of_address),
                (of_address, Some((of_all, other))) => {
                    return Some((Place { of_all, of_address: Some(of_address) }, other));
                }
            },
        };
        if let Some(of_all) = spare {
            return Some((Place { of_all, of_address }, None));
        }
        let bound = self.shared.bounds.get(counted);
        loop {
            if let Ok(of_all) = bound.take() {
                return Some((Place { of_all, of_address }, None));
            }
            self.turns.note_full();
            let limit = self.limit_of_all(counted);
            let wait = match self.evict_of_all(counted, network).await {
                Eviction::Done(places) => {
                    self.shared.reached.log(limit, network, of_eviction(counted));
                    let (place, other) = places.split(counted);
                    return place.map(|Place { of_all, .. }| (Place { of_all, of_address }, other));
                }
                Eviction::TooYoung(wait) => wait,
                Eviction::Crowd | Eviction::None => {
                    self.refuse(counted, limit, network);
                    return None;
                }
            };
            if let Ok(Some(of_all)) = timeout(wait, bound.wait()).await {
                return Some((Place { of_all, of_address }, None));
            }
        }
    }

    /// Takes the places within the limits of an address for a connection whose handshake is not complete; `None` if there are none.
    pub(super) async fn places_of_address(&self, network: Network) -> Option<ByLimit<AddressPlace>> {
        let (open, _) = self.place_of_address(Counted::Open, network).await?;
        let (handshakes, _) = self.place_of_address(Counted::Handshakes, network).await?;
        Some(ByLimit { open, handshakes })
    }

    /// Takes a place within the limit of an address. If a connection of that address was closed for it, returns its other places, too:
    /// within the same limit on all connections, and within the other limit.
    async fn place_of_address(
        &self,
        counted: Counted,
        network: Network,
    ) -> Option<(AddressPlace, Option<(OwnedSemaphorePermit, Option<Place>)>)> {
        let limit = self.shared.per_address(counted);
        let reached = Limit::OfAddress(counted, limit);
        if let Some(place) = self.shared.bounds.get(counted).take_of(network, limit) {
            return Some((place, None));
        }
        // An address that is at its limit only loses its own connections.
        if let Eviction::Done(places) = self.evict_anywhere(counted, Some(network), Urgency::Any).await
            && let (Some(Place { of_all, of_address: Some(of_address) }), other) = places.split(counted)
        {
            self.shared.reached.log(reached, Some(network), of_eviction(counted));
            return Some((of_address, Some((of_all, other))));
        }
        self.refuse(counted, reached, Some(network));
        None
    }

    /// The limit on the connections of all clients that is reached: the configured one, or memory.
    fn limit_of_all(&self, counted: Counted) -> Limit {
        let bound = self.shared.bounds.get(counted);
        if bound.lacks_memory() { Limit::Memory } else { Limit::All(counted, bound.limit) }
    }

    /// Counts and logs that a new connection from this network is closed.
    fn refuse(&self, counted: Counted, limit: Limit, network: Option<Network>) {
        let reason = match (limit, counted) {
            (Limit::Memory, _) => CloseReason::Memory,
            (Limit::All(..), Counted::Open) => {
                self.metrics.connections_over_bound.increment();
                CloseReason::Bound
            }
            (Limit::All(..), Counted::Handshakes) => CloseReason::Handshakes,
            (Limit::OfAddress(..), Counted::Open) => CloseReason::Address,
            (Limit::OfAddress(..), Counted::Handshakes) => CloseReason::HandshakesOfAddress,
        };
        self.metrics.connections_closed.increment(reason);
        self.shared.reached.log(limit, network, reason);
    }

    /// Closes a connection of any address for a new one from this network. Some of them are honest and still in their handshakes, so
    /// new ones are spared first.
    async fn evict_of_all(&self, counted: Counted, newcomer: Option<Network>) -> Eviction {
        let none_stale = self.none_stale.get(counted);
        let is_futile = none_stale.get().is_some_and(|at| at.elapsed() < NONE_STALE);
        let stale = if is_futile {
            self.evict(counted, None, Urgency::Stale)
        } else {
            self.evict_anywhere(counted, None, Urgency::Stale).await
        };
        if matches!(stale, Eviction::Done(_)) {
            return stale;
        }
        if !is_futile {
            none_stale.set(Some(Instant::now()));
        }
        self.evict_anywhere(counted, None, Urgency::Young(newcomer)).await
    }

    /// Closes a connection of this worker, or else of another one.
    async fn evict_anywhere(&self, counted: Counted, network: Option<Network>, urgency: Urgency) -> Eviction {
        let mut found = self.evict(counted, network, urgency);
        let others = self.shared.evictors.iter().enumerate().filter(|(worker, _)| *worker != self.worker);
        for (_, other) in others {
            if matches!(found, Eviction::Done(_) | Eviction::Crowd) {
                break;
            }
            let (done, is_done) = oneshot::channel();
            // A worker that has ended has no connections.
            if other.send(EvictionRequest { counted, network, urgency, done }).await.is_ok()
                && let Ok(theirs) = is_done.await
            {
                found = found.or(theirs);
            }
        }
        found
    }

    fn evict(&self, counted: Counted, network: Option<Network>, urgency: Urgency) -> Eviction {
        let site = self.shared.site.load();
        let eviction =
            self.open.evict(counted, network, urgency, &|connection| is_registered(&site, connection));
        if matches!(eviction, Eviction::Done(_)) {
            self.metrics.connections_closed.increment(of_eviction(counted));
            self.evicted.set(self.evicted.get() + 1);
        }
        eviction
    }
}

/// Why a connection is closed to make room for another one.
const fn of_eviction(counted: Counted) -> CloseReason {
    match counted {
        Counted::Open => CloseReason::Evicted,
        Counted::Handshakes => CloseReason::HandshakeEvicted,
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
