//! Who gets in when there are too many: those that have proved nothing make room.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    task::yield_now,
    time::{Instant, timeout},
};

use super::{
    addresses::AddressPlace,
    eviction::{Ask, Eviction, Places, Urgency},
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

/// For so long it counts that no other worker has a connection that is stale: asked about each connection of a storm, the others
/// would do nothing else.
const NONE_STALE: Duration = Duration::from_millis(50);
/// One worker's door.
#[derive(Debug)]
pub(super) struct Door {
    shared: Arc<Shared>,
    open: OpenConnections,
    metrics: Recorder,
    /// The worker's number.
    worker: usize,
    /// See [`Door::closing`].
    closing: Cell<usize>,
    /// When no other worker had a stale connection.
    none_stale: Cell<Option<Instant>>,
    /// In which those that are in have their turns.
    pub(super) turns: Rc<Turns>,
}

impl Door {
    pub(super) fn new(
        shared: Arc<Shared>,
        open: OpenConnections,
        metrics: Recorder,
        worker: usize,
    ) -> Rc<Self> {
        let (closing, none_stale) = (Cell::default(), Cell::default());
        Rc::new(Self { shared, open, metrics, worker, closing, none_stale, turns: Turns::new() })
    }

    /// Closes connections for other workers, for as long as it is polled.
    pub(super) async fn make_room_for_others(self: Rc<Self>, mut asks: mpsc::Receiver<Ask>) {
        while let Some(Ask { network, urgency, done }) = asks.recv().await {
            // Who asked may be gone: then the places are free for anybody.
            let _ = done.send(self.evict(network, urgency));
            // The task of the closed connection is dropped, and its descriptor closed, before the next one's.
            yield_now().await;
        }
    }

    /// How many connections are closed, and have their descriptors all the same until other tasks run.
    pub(super) fn closing(&self) -> usize {
        self.closing.get()
    }

    /// Other tasks have run.
    pub(super) fn closed(&self) {
        self.closing.set(0);
    }

    /// Places for a connection from an address of this network, if that counts; nothing if none can be had.
    ///
    /// Where one of this worker's connections makes room, it is ready when it is first polled. It waits for other workers, or
    /// until a connection has had the time that each one gets.
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
            self.turns.press();
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

    /// A place among the connections of an address; nothing if none can be had.
    pub(super) async fn place_of(&self, network: Network) -> Option<AddressPlace> {
        self.admit_of(network).await.map(|(place, _)| place)
    }

    /// The same, and a place among all connections if one of that address was closed for it.
    async fn admit_of(&self, network: Network) -> Option<(AddressPlace, Option<OwnedSemaphorePermit>)> {
        let bound = self.shared.site.load().limits.connections_per_address.unwrap_or(self.shared.per_address);
        if let Some(place) = self.shared.addresses.take(network, bound) {
            return Some((place, None));
        }
        // An address's own connections need no care.
        if let Eviction::Done(Places { of_all, of_address: Some(place) }) =
            self.evict_anywhere(Some(network), Urgency::Any).await
        {
            return Some((place, Some(of_all)));
        }
        self.metrics.connections_closed.increment(CloseReason::Address);
        None
    }

    /// Closes a connection of any address for a newcomer from this network. Honest ones are among them, still at their
    /// handshakes.
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

    /// One of this worker's, or else of another's.
    async fn evict_anywhere(&self, network: Option<Network>, urgency: Urgency) -> Eviction {
        let mut found = self.evict(network, urgency);
        let others = self.shared.doors.iter().enumerate().filter(|(worker, _)| *worker != self.worker);
        for (_, other) in others {
            if matches!(found, Eviction::Done(_) | Eviction::Crowd) {
                break;
            }
            let (done, is_done) = oneshot::channel();
            // One that has ended has no connections.
            if other.send(Ask { network, urgency, done }).await.is_ok()
                && let Ok(theirs) = is_done.await
            {
                found = found.or(theirs);
            }
        }
        found
    }

    fn evict(&self, network: Option<Network>, urgency: Urgency) -> Eviction {
        let site = self.shared.site.load();
        let eviction = self.open.evict(network, urgency, &|connection| knows(&site, connection));
        if matches!(eviction, Eviction::Done(_)) {
            self.metrics.connections_closed.increment(CloseReason::Evicted);
            self.closing.set(self.closing.get() + 1);
        }
        eviction
    }
}

/// Whether the certificate is an application's: registered itself, or proved before. A name alone proves nothing, since anybody
/// can write it into a certificate.
fn knows(site: &Site, connection: &Connection) -> bool {
    let Some(identity) = &connection.identity else { return false };
    let is_registered =
        |certificate: &ClientCertificate| site.trust.registry.has_thumbprint(&certificate.thumbprint());
    identity.has_authenticated() || identity.certificate.as_ref().is_ok_and(is_registered)
}
