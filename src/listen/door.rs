//! Who gets in when there are too many: those that have proved nothing make room.

use std::{
    net::IpAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    task::yield_now,
};

use super::{
    addresses::{AddressPlace, Network},
    open::{Eviction, OpenConnections, Urgency, YOUNG},
    shared::Shared,
    turns::Turns,
};
use crate::{http::Connection, identity::ClientCertificate, site::Site};

/// How long another worker may take to make room.
const ASKED: Duration = Duration::from_millis(100);
/// How often room is made for one connection: what was made may be taken by another one.
const TRIES: usize = 4;
/// Workers that wait for one of another's connections at once; more get the answer that there is none.
const WAITING: usize = 64;

/// What one worker asks of another: to close one of its connections.
#[derive(Debug)]
pub(super) struct Ask {
    network: Option<Network>,
    urgency: Urgency,
    done: oneshot::Sender<Eviction>,
}

/// The two ends through which a worker is asked.
pub(super) fn asks() -> (mpsc::Sender<Ask>, mpsc::Receiver<Ask>) {
    mpsc::channel(WAITING)
}

/// One worker's door.
#[derive(Debug)]
pub(super) struct Door {
    shared: Arc<Shared>,
    open: OpenConnections,
    /// The worker's number.
    worker: usize,
    /// In which those that are in have their turns.
    pub(super) turns: Rc<Turns>,
}

impl Door {
    pub(super) fn new(shared: Arc<Shared>, open: OpenConnections, worker: usize) -> Rc<Self> {
        Rc::new(Self { shared, open, worker, turns: Turns::new() })
    }

    /// Closes connections for other workers, for as long as it is polled.
    pub(super) async fn make_room_for_others(self: Rc<Self>, mut asks: mpsc::Receiver<Ask>) {
        while let Some(Ask { network, urgency, done }) = asks.recv().await {
            // The other one may have waited long enough.
            let _ = done.send(self.close_one(network, urgency).await);
        }
    }

    /// A place among all connections; nothing if none can be had.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        for _ in 0..TRIES {
            if let Ok(place) = Arc::clone(&self.shared.places).try_acquire_owned() {
                return Some(place);
            }
            if !self.make_room(None).await {
                break;
            }
        }
        self.shared.counters.over_bound.fetch_add(1, Relaxed);
        None
    }

    /// A place among the connections of an address.
    pub(super) async fn place_of(&self, network: Network, site: &Site) -> Option<AddressPlace> {
        let bound = site.limits.connections_per_address.unwrap_or(self.shared.per_address);
        for _ in 0..TRIES {
            let place = self.shared.addresses.take(network, bound);
            if place.is_some() {
                return place;
            }
            if !self.make_room(Some(network)).await {
                break;
            }
        }
        self.shared.counters.over_address_bound.fetch_add(1, Relaxed);
        None
    }

    /// Closes a connection of this network, or of any: false if there is none that may be.
    async fn make_room(&self, network: Option<Network>) -> bool {
        // An address's own connections need no care; among all of them, honest ones are still at their handshakes.
        let urgencies: &[Urgency] = match network {
            Some(_) => &[Urgency::Stale, Urgency::Any],
            None => &[Urgency::Stale, Urgency::Young],
        };
        let mut is_too_young = false;
        for urgency in urgencies {
            match self.close_anywhere(network, *urgency).await {
                Eviction::Done => return true,
                found => is_too_young = found == Eviction::TooYoung,
            }
        }
        if !is_too_young {
            return false;
        }
        tokio::time::sleep(YOUNG).await;
        self.close_anywhere(network, Urgency::Young).await == Eviction::Done
    }

    /// One of this worker's, or else of another's.
    async fn close_anywhere(&self, network: Option<Network>, urgency: Urgency) -> Eviction {
        let mut found = self.close_one(network, urgency).await;
        let others = self.shared.doors.iter().enumerate().filter(|(worker, _)| *worker != self.worker);
        for (_, other) in others {
            if found == Eviction::Done {
                break;
            }
            let (done, is_done) = oneshot::channel();
            if other.try_send(Ask { network, urgency, done }).is_ok() {
                match tokio::time::timeout(ASKED, is_done).await {
                    Ok(Ok(Eviction::None) | Err(_)) | Err(_) => {}
                    Ok(Ok(better)) => found = better,
                }
            }
        }
        found
    }

    async fn close_one(&self, network: Option<Network>, urgency: Urgency) -> Eviction {
        let site = self.shared.site.load_full();
        let eviction = self.open.evict(network, urgency, &|connection| knows(&site, connection));
        if eviction == Eviction::Done {
            self.shared.counters.evicted.fetch_add(1, Relaxed);
            // Its task is dropped at its turn, and its places with it.
            yield_now().await;
            yield_now().await;
        }
        eviction
    }
}

/// The network whose connections count as one client's: that of an address, unless it is a trusted proxy's.
pub(super) fn counted(ip: IpAddr, site: &Site) -> Option<Network> {
    let ip = ip.to_canonical();
    let is_proxy = site.trusted_proxies.iter().any(|network| network.contains(&ip));
    (!is_proxy).then(|| Network::of(ip))
}

/// Whether the certificate is an application's: registered itself, or proved before. A name alone proves nothing, since anybody
/// can write it into a certificate.
fn knows(site: &Site, connection: &Connection) -> bool {
    let Some(peer) = &connection.peer else { return false };
    let is_registered =
        |certificate: &ClientCertificate| site.trust.registry.has_thumbprint(&certificate.thumbprint());
    peer.was_proved() || peer.certificate.as_ref().is_ok_and(is_registered)
}
