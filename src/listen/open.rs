//! The open connections of a worker, in the order in which they may be closed where there are too many; they are asked to
//! close when the edge drains.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    rc::Rc,
    time::Duration,
};

use tokio::{sync::Notify, task::AbortHandle, time::Instant};

use super::{
    addresses::AddressPlace,
    crowds::Crowds,
    eviction::{Eviction, Places, Urgency},
};
use crate::{connection::Life, net::Network, request::Connection};

/// A connection that has proved nothing for so long is closed before one that has only just come: an honest client takes a few
/// round trips to its first request.
const STALE: Duration = Duration::from_secs(1);
/// The same of one with a certificate that somebody has registered. Before that it is not closed at all.
const STALE_KNOWN: Duration = Duration::from_secs(2);
/// The same of one with a request in flight, after its last progress.
const STALE_BUSY: Duration = Duration::from_secs(10);
/// A handshake has so long at least, where only the bound on all connections is reached.
const YOUNG: Duration = Duration::from_millis(100);
/// How many connections are looked at to find one to close.
const LOOKS: usize = 64;

/// What a connection has proved. Those at the top are closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Its handshake is not over.
    Shaking,
    /// It has a certificate at most, of anybody, and no request.
    Unproved,
    /// The same with a request in flight.
    Busy,
    /// It has the key of a certificate that is an application's.
    Known,
    /// A request of it was authenticated. It is closed for nobody else's sake.
    Authenticated,
}

/// Its stage, since when it does nothing there in milliseconds of the worker's time, and its number.
type Key = (Stage, u64, u64);

/// All on one thread.
#[derive(Clone, Debug)]
pub(super) struct OpenConnections(Rc<Open>);

#[derive(Debug)]
struct Open {
    started: Instant,
    next: Cell<u64>,
    /// By number.
    guests: RefCell<HashMap<u64, Guest>>,
    order: RefCell<BTreeSet<Key>>,
    /// The same by their network, where their address counts.
    by_network: RefCell<BTreeSet<(Network, Key)>>,
    /// Of those at the first two stages.
    crowds: RefCell<Crowds>,
    /// The last one has gone.
    empty: Notify,
    is_draining: Cell<bool>,
}

#[derive(Debug)]
struct Guest {
    key: Key,
    network: Option<Network>,
    places: Places,
    /// Of the task that serves it.
    task: Option<AbortHandle>,
    /// Once its handshake is over.
    connection: Option<Rc<Connection>>,
    life: Rc<Life>,
}

impl Guest {
    fn is_in_crowd(&self) -> bool {
        self.key.0 <= Stage::Unproved
    }
}

/// A connection's place among the open ones, from its accept to its end.
#[derive(Debug)]
pub(super) struct Entry {
    open: OpenConnections,
    number: u64,
    life: Rc<Life>,
}

impl OpenConnections {
    pub(super) fn new() -> Self {
        Self(Rc::new(Open {
            started: Instant::now(),
            next: Cell::new(0),
            guests: RefCell::default(),
            order: RefCell::default(),
            by_network: RefCell::default(),
            crowds: RefCell::default(),
            empty: Notify::new(),
            is_draining: Cell::new(false),
        }))
    }

    /// Takes a connection that was accepted just now, from an address of this network if that is known and counts.
    pub(super) fn enter(
        &self,
        network: Option<Network>,
        places: Places,
        handshake_timeout: Duration,
    ) -> Entry {
        let number = self.0.next.get();
        self.0.next.set(number + 1);
        let life = Life::new(handshake_timeout);
        if self.0.is_draining.get() {
            life.close();
        }
        let key = (Stage::Shaking, self.time(life.last_progress()), number);
        self.insert(Guest { key, network, places, task: None, connection: None, life: Rc::clone(&life) });
        Entry { open: self.clone(), number, life }
    }

    /// This task serves the connection, and ends it when it is aborted.
    pub(super) fn served_by(&self, number: u64, task: AbortHandle) {
        if let Some(guest) = self.0.guests.borrow_mut().get_mut(&number) {
            guest.task = Some(task);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.guests.borrow().len()
    }

    pub(super) async fn none_left(&self) {
        while self.count() > 0 {
            self.0.empty.notified().await;
        }
    }

    /// Asks all of them to close, also those that are still in their handshake.
    pub(super) fn drain(&self) {
        self.0.is_draining.set(true);
        for guest in self.0.guests.borrow().values() {
            guest.life.close();
        }
    }

    /// Closes the connection that has done nothing for longest of those that have proved least, of this network or of all. Its
    /// places are free at once, and its task is dropped at its next turn. `knows` says whether a certificate may be some
    /// application's.
    pub(super) fn evict(
        &self,
        network: Option<Network>,
        urgency: Urgency,
        knows: &dyn Fn(&Connection) -> bool,
    ) -> Eviction {
        let now = Instant::now();
        let mut looks = LOOKS;
        let mut first = |stage| self.first(stage, network, knows, &mut looks);
        let [shaking, unproved, busy, registered] =
            [Stage::Shaking, Stage::Unproved, Stage::Busy, Stage::Known].map(&mut first);
        let stale = |found: Option<(Key, Instant)>, age| {
            found.filter(|(_, since)| now.saturating_duration_since(*since) >= age)
        };
        let oldest = [shaking, unproved].into_iter().flatten().min_by_key(|(_, since)| *since);
        let victim = stale(shaking, STALE)
            .or_else(|| stale(unproved, STALE))
            .or_else(|| stale(registered, STALE_KNOWN))
            .or_else(|| stale(busy, STALE_BUSY))
            .or_else(|| if urgency == Urgency::Any { oldest.or(busy) } else { None });
        let victim = match (victim, urgency) {
            (None, Urgency::Young(newcomer)) => {
                // Else the edge would shake hands with each connection that somebody has opened a crowd of.
                if newcomer.is_some_and(|newcomer| self.0.crowds.borrow().is_crowd(newcomer)) {
                    return Eviction::Crowd;
                }
                self.of_crowd(knows, &mut looks)
                    .or_else(|| stale(oldest, YOUNG))
                    .or_else(|| stale(busy, STALE))
            }
            (victim, _) => victim,
        };
        let Some(((_, _, number), _)) = victim else {
            let ripe = |found: Option<(Key, Instant)>, age| found.map(|(_, since)| since + age);
            let soonest = [ripe(oldest, YOUNG), ripe(busy, STALE)].into_iter().flatten().min();
            return soonest
                .map_or(Eviction::None, |at| Eviction::TooYoung(at.saturating_duration_since(now)));
        };
        // It leaves at once, so that the next look does not find it.
        let Some(guest) = self.remove(number) else { return Eviction::None };
        if let Some(task) = guest.task {
            task.abort();
        }
        Eviction::Done(guest.places)
    }

    /// The one that has been there for longest of the largest crowd.
    fn of_crowd(&self, knows: &dyn Fn(&Connection) -> bool, looks: &mut usize) -> Option<(Key, Instant)> {
        while *looks > 0 {
            let crowd = self.0.crowds.borrow().largest()?;
            let mut first = |stage| self.first(stage, Some(crowd), knows, looks);
            let oldest = [Stage::Shaking, Stage::Unproved].map(&mut first);
            // Those that have gone on are in the crowd no more.
            if let Some(found) = oldest.into_iter().flatten().min_by_key(|(_, since)| *since) {
                return Some(found);
            }
        }
        None
    }

    /// The one of this stage that has done nothing for longest. Those that have gone on since they were looked at last are put
    /// where they belong.
    fn first(
        &self,
        stage: Stage,
        network: Option<Network>,
        knows: &dyn Fn(&Connection) -> bool,
        looks: &mut usize,
    ) -> Option<(Key, Instant)> {
        while *looks > 0 {
            *looks -= 1;
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
                let guests = self.0.guests.borrow();
                let guest = guests.get(&key.2)?;
                let since = guest.life.last_progress();
                let stage = match &guest.connection {
                    Some(connection) if connection.is_authenticated() => Stage::Authenticated,
                    Some(_) if stage == Stage::Known => Stage::Known,
                    Some(connection) if knows(connection) => Stage::Known,
                    Some(_) if guest.life.is_busy() => Stage::Busy,
                    Some(_) => Stage::Unproved,
                    None => Stage::Shaking,
                };
                ((stage, self.time(since), key.2), since)
            };
            if now_at == key {
                return Some((key, since));
            }
            self.change(key.2, |guest| guest.key = now_at);
        }
        None
    }

    fn time(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.0.started).as_millis()).unwrap_or(u64::MAX)
    }

    fn insert(&self, guest: Guest) {
        self.0.order.borrow_mut().insert(guest.key);
        if let Some(network) = guest.network {
            self.0.by_network.borrow_mut().insert((network, guest.key));
            if guest.is_in_crowd() {
                self.0.crowds.borrow_mut().enter(network);
            }
        }
        self.0.guests.borrow_mut().insert(guest.key.2, guest);
    }

    fn remove(&self, number: u64) -> Option<Guest> {
        let guest = self.0.guests.borrow_mut().remove(&number)?;
        self.0.order.borrow_mut().remove(&guest.key);
        if let Some(network) = guest.network {
            self.0.by_network.borrow_mut().remove(&(network, guest.key));
            if guest.is_in_crowd() {
                self.0.crowds.borrow_mut().leave(network);
            }
        }
        Some(guest)
    }

    /// Changes what it is found by.
    fn change(&self, number: u64, change: impl FnOnce(&mut Guest)) {
        if let Some(mut guest) = self.remove(number) {
            change(&mut guest);
            self.insert(guest);
        }
    }
}

impl Entry {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Its address, if that is known only now, and its place among those of that address.
    pub(super) fn is_of(&self, network: Network, place: AddressPlace) {
        self.open.change(self.number, |guest| {
            guest.network = Some(network);
            guest.places.of_address = Some(place);
        });
    }

    /// Its life, which began when it was accepted.
    pub(super) const fn life(&self) -> &Rc<Life> {
        &self.life
    }

    /// The handshake is done.
    pub(super) fn established(&self, connection: &Rc<Connection>) {
        let key = (Stage::Unproved, self.open.time(self.life.last_progress()), self.number);
        self.open.change(self.number, |guest| {
            guest.key = key;
            guest.connection = Some(Rc::clone(connection));
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // One that was evicted has left already.
        let _ = self.open.remove(self.number);
        if self.open.count() == 0 {
            self.open.0.empty.notify_one();
        }
    }
}
