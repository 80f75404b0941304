//! The open connections of a worker, in the order in which they may be evicted. All of them are asked to close when the edge drains.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    rc::Rc,
    time::Duration,
};

use tokio::{sync::Notify, task::AbortHandle, time::Instant};

use super::{
    addresses::AddressPlace,
    bound::{ByLimit, Counted, Place, Places},
    crowds::Crowds,
    eviction::{Eviction, Urgency},
};
use crate::{
    connection::Life,
    net::Network,
    observe::metrics::CloseReason,
    request::{BrokenOff, Connection},
};

/// How long a connection without authentication may do nothing before it is closed for a new one: an honest client takes a few round
/// trips until its first request.
const STALE: Duration = Duration::from_secs(1);
/// [`STALE`] for a connection with a registered certificate, which is not closed before.
const STALE_REGISTERED: Duration = Duration::from_secs(2);
/// [`STALE`] for a connection with a request in flight, from its last progress.
const STALE_BUSY: Duration = Duration::from_secs(10);
/// The least time that a handshake has if only the limit on all connections is reached.
const YOUNG: Duration = Duration::from_millis(100);
/// How many connections are examined to find one to close.
const EXAMINED: usize = 64;

/// How far a connection's authentication has come, in the order of eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Its handshake is not complete.
    Handshaking,
    /// Its handshake is complete, and it has no request in flight. Its certificate, if there is one, is not registered.
    Unauthenticated,
    /// As `Unauthenticated`, with a request in flight.
    Busy,
    /// It has proved possession of a registered certificate.
    Registered,
    /// A request over it was authenticated. It is never evicted.
    Authenticated,
}

impl Counted {
    /// Whether the limit counts connections in this stage.
    fn includes(self, stage: Stage) -> bool {
        self == Self::Open || stage == Stage::Handshaking
    }
}

/// A connection's stage, the time of its last progress in milliseconds since the worker's start, and its number.
type Key = (Stage, u64, u64);

/// All open connections of a worker, on one thread.
#[derive(Clone, Debug)]
pub(super) struct OpenConnections(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    next: Cell<u64>,
    /// Each connection by its number.
    connections: RefCell<HashMap<u64, OpenConnection>>,
    order: RefCell<BTreeSet<Key>>,
    /// The keys of `order` by network, of connections whose address is known and limited.
    by_network: RefCell<BTreeSet<(Network, Key)>>,
    /// Counts connections in the first two stages, and handshakes.
    crowds: ByLimit<RefCell<Crowds>>,
    /// Notified when the last connection has ended.
    empty: Notify,
    /// See [`OpenConnections::take_most`].
    most: Cell<usize>,
    /// Set once the edge drains: the time until which each connection may wait for its last request.
    leave: Cell<Option<Instant>>,
}

#[derive(Debug)]
struct OpenConnection {
    key: Key,
    network: Option<Network>,
    places: Places,
    /// Aborts the task that serves it.
    task: Option<AbortHandle>,
    /// Present once its handshake is complete.
    established: Option<Rc<Connection>>,
    life: Rc<Life>,
}

impl OpenConnection {
    /// Whether it belongs to a crowd if its network has one. In later stages it does not.
    fn is_in_crowd(&self, counted: Counted) -> bool {
        self.key.0 <= Stage::Unauthenticated && counted.includes(self.key.0)
    }
}

/// The entry of one connection, from its accept to its end.
#[derive(Debug)]
pub(super) struct Entry {
    open: OpenConnections,
    number: u64,
    life: Rc<Life>,
}

impl OpenConnections {
    pub(super) fn new() -> Self {
        Self(Rc::new(Inner {
            started: Instant::now(),
            next: Cell::new(0),
            connections: RefCell::default(),
            order: RefCell::default(),
            by_network: RefCell::default(),
            crowds: ByLimit::default(),
            empty: Notify::new(),
            most: Cell::new(0),
            leave: Cell::new(None),
        }))
    }

    /// Adds a connection that was just accepted, from this network if its address is known and limited.
    pub(super) fn enter(
        &self,
        network: Option<Network>,
        places: Places,
        handshake_timeout: Duration,
    ) -> Entry {
        let number = self.0.next.get();
        self.0.next.set(number + 1);
        let life = Life::new(handshake_timeout);
        if let Some(until) = self.0.leave.get() {
            life.leave(until);
        }
        let key = (Stage::Handshaking, self.time(life.last_progress()), number);
        self.insert(OpenConnection {
            key,
            network,
            places,
            task: None,
            established: None,
            life: Rc::clone(&life),
        });
        Entry { open: self.clone(), number, life }
    }

    /// Sets the task that serves a connection; aborting it ends the connection.
    pub(super) fn served_by(&self, number: u64, task: AbortHandle) {
        if let Some(connection) = self.0.connections.borrow_mut().get_mut(&number) {
            connection.task = Some(task);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.connections.borrow().len()
    }

    /// The most connections at once since the last call.
    pub(super) fn take_most(&self) -> usize {
        self.0.most.replace(self.count())
    }

    /// Frees the space of connections that have ended.
    pub(super) fn shrink(&self) {
        self.0.connections.borrow_mut().shrink_to(0);
    }

    pub(super) async fn none_left(&self) {
        while self.count() > 0 {
            self.0.empty.notified().await;
        }
    }

    /// Lets each connection, also those that are accepted later, serve one more request, which must begin before this time.
    pub(super) fn drain(&self, until: Instant) {
        self.0.leave.set(Some(until));
        for connection in self.0.connections.borrow().values() {
            connection.life.leave(until);
        }
    }

    /// Records that the connections that are left are closed, since `drain_timeout` is over.
    pub(super) fn mark_broken_off(&self) {
        for connection in self.0.connections.borrow().values() {
            if let Some(established) = &connection.established {
                established.mark_broken_off(BrokenOff::DrainTimeout);
            }
        }
    }

    /// Closes the connection that has been idle for longest in the lowest stage, of this network or of all that this limit counts. Its
    /// places are free at once, and its task is dropped at its next turn. `is_registered` decides whether a connection has a registered
    /// certificate.
    pub(super) fn evict(
        &self,
        counted: Counted,
        network: Option<Network>,
        urgency: Urgency,
        is_registered: &dyn Fn(&Connection) -> bool,
    ) -> Eviction {
        let now = Instant::now();
        let mut left = EXAMINED;
        let mut first = |stage| {
            let is_counted = counted.includes(stage);
            is_counted.then(|| self.oldest(stage, network, is_registered, &mut left)).flatten()
        };
        let [handshaking, unauthenticated, busy, registered] =
            [Stage::Handshaking, Stage::Unauthenticated, Stage::Busy, Stage::Registered].map(&mut first);
        let stale = |found: Option<(Key, Instant)>, age| {
            found.filter(|(_, since)| now.saturating_duration_since(*since) >= age)
        };
        let oldest = [handshaking, unauthenticated].into_iter().flatten().min_by_key(|(_, since)| *since);
        let victim = stale(handshaking, STALE)
            .or_else(|| stale(unauthenticated, STALE))
            .or_else(|| stale(registered, STALE_REGISTERED))
            .or_else(|| stale(busy, STALE_BUSY))
            .or_else(|| if urgency == Urgency::Any { oldest.or(busy) } else { None });
        let victim = match (victim, urgency) {
            (None, Urgency::Young(newcomer)) => {
                // Otherwise the edge would do a handshake for every connection of a crowd.
                let crowds = self.0.crowds.get(counted);
                if newcomer.is_some_and(|newcomer| crowds.borrow().is_crowd(newcomer)) {
                    return Eviction::Crowd;
                }
                self.oldest_in_crowd(counted, is_registered, &mut left)
                    .or_else(|| stale(oldest, YOUNG))
                    .or_else(|| stale(busy, STALE))
            }
            (victim, _) => victim,
        };
        let Some(((_, _, number), _)) = victim else {
            let may_close = |found: Option<(Key, Instant)>, age| found.map(|(_, since)| since + age);
            let soonest = [may_close(oldest, YOUNG), may_close(busy, STALE)].into_iter().flatten().min();
            return soonest
                .map_or(Eviction::None, |at| Eviction::TooYoung(at.saturating_duration_since(now)));
        };
        // Removed at once, so that the next search does not find it.
        let Some(connection) = self.remove(number) else { return Eviction::None };
        if let Some(established) = connection.established {
            established.mark_broken_off(BrokenOff::Counted(CloseReason::Evicted));
        }
        if let Some(task) = connection.task {
            task.abort();
        }
        Eviction::Done(connection.places)
    }

    /// The oldest connection of the largest crowd.
    fn oldest_in_crowd(
        &self,
        counted: Counted,
        is_registered: &dyn Fn(&Connection) -> bool,
        left: &mut usize,
    ) -> Option<(Key, Instant)> {
        while *left > 0 {
            let crowd = self.0.crowds.get(counted).borrow().largest()?;
            let first = |stage| self.oldest(stage, Some(crowd), is_registered, left);
            // Connections in later stages do not belong to the crowd any more.
            let stages = [Stage::Handshaking, Stage::Unauthenticated].into_iter();
            let oldest = stages.filter(|stage| counted.includes(*stage)).filter_map(first);
            if let Some(found) = oldest.min_by_key(|(_, since)| *since) {
                return Some(found);
            }
        }
        None
    }

    /// The connection in this stage whose last progress is oldest. Connections that have made progress since they were last examined
    /// are sorted in again.
    fn oldest(
        &self,
        stage: Stage,
        network: Option<Network>,
        is_registered: &dyn Fn(&Connection) -> bool,
        left: &mut usize,
    ) -> Option<(Key, Instant)> {
        while *left > 0 {
            *left -= 1;
            let from = (stage, 0, 0);
            let key = match network {
                None => self.0.order.borrow().range(from..).next().copied(),
                Some(network) => {
                    let by_network = self.0.by_network.borrow();
                    let first = by_network.range((network, from)..).next().copied();
                    first.filter(|(of, _)| *of == network).map(|(_, key)| key)
                }
            };
            let key = key.filter(|(of, ..)| *of == stage)?;
            let (now_at, since) = {
                let connections = self.0.connections.borrow();
                let connection = connections.get(&key.2)?;
                let since = connection.life.last_progress();
                let stage = match &connection.established {
                    Some(connection) if connection.is_authenticated() => Stage::Authenticated,
                    Some(_) if stage == Stage::Registered => Stage::Registered,
                    Some(connection) if is_registered(connection) => Stage::Registered,
                    Some(_) if connection.life.is_busy() => Stage::Busy,
                    Some(_) => Stage::Unauthenticated,
                    None => Stage::Handshaking,
                };
                ((stage, self.time(since), key.2), since)
            };
            if now_at == key {
                return Some((key, since));
            }
            self.change(key.2, |connection| connection.key = now_at);
        }
        None
    }

    fn time(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.0.started).as_millis()).unwrap_or(u64::MAX)
    }

    fn insert(&self, connection: OpenConnection) {
        self.0.order.borrow_mut().insert(connection.key);
        if let Some(network) = connection.network {
            self.0.by_network.borrow_mut().insert((network, connection.key));
            for counted in Counted::ALL.into_iter().filter(|counted| connection.is_in_crowd(*counted)) {
                self.0.crowds.get(counted).borrow_mut().enter(network);
            }
        }
        self.0.connections.borrow_mut().insert(connection.key.2, connection);
        self.0.most.set(self.0.most.get().max(self.count()));
    }

    fn remove(&self, number: u64) -> Option<OpenConnection> {
        let connection = self.0.connections.borrow_mut().remove(&number)?;
        self.0.order.borrow_mut().remove(&connection.key);
        if let Some(network) = connection.network {
            self.0.by_network.borrow_mut().remove(&(network, connection.key));
            for counted in Counted::ALL.into_iter().filter(|counted| connection.is_in_crowd(*counted)) {
                self.0.crowds.get(counted).borrow_mut().leave(network);
            }
        }
        Some(connection)
    }

    /// Changes a connection, and sorts it in again.
    fn change(&self, number: u64, change: impl FnOnce(&mut OpenConnection)) {
        if let Some(mut connection) = self.remove(number) {
            change(&mut connection);
            self.insert(connection);
        }
    }
}

impl Entry {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Sets the network of a connection whose address becomes known in its handshake, and its places within the limits of that address.
    pub(super) fn assign(&self, network: Network, places: ByLimit<AddressPlace>) {
        self.open.change(self.number, |connection| {
            connection.network = Some(network);
            connection.places.open.of_address = Some(places.open);
            if let Some(Place { of_address, .. }) = &mut connection.places.handshake {
                *of_address = Some(places.handshakes);
            }
        });
    }

    /// The connection's life, which began at its accept.
    pub(super) const fn life(&self) -> &Rc<Life> {
        &self.life
    }

    /// Notes that the handshake is complete.
    pub(super) fn established(&self, connection: &Rc<Connection>) {
        let key = (Stage::Unauthenticated, self.open.time(self.life.last_progress()), self.number);
        self.open.change(self.number, |open| {
            open.key = key;
            open.established = Some(Rc::clone(connection));
            open.places.handshake = None;
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // An evicted connection is already removed.
        let _ = self.open.remove(self.number);
        if self.open.count() == 0 {
            self.open.0.empty.notify_one();
        }
    }
}
