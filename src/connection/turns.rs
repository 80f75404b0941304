//! The order in which a worker serves clients that have not authenticated.
//!
//! A worker is one thread: if hundreds of handshakes or streams are ready at once, all of them would run before an honest client's
//! next byte is even read. Therefore each step of such work takes a turn. There are two lanes, and each gives one turn per round. Between
//! two rounds all ready tasks run, and the sockets are polled. Within a lane the networks alternate, so that a storm from one network
//! only delays itself. Networks from which an application has authenticated have a lane of their own. Connections on which an
//! application has authenticated need no turns. If the connection limit is reached, there is a pause between the rounds of
//! unauthenticated clients: otherwise the worker would do nothing but handshakes.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashSet},
    future::poll_fn,
    mem,
    ops::Bound,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use crate::net::{Network, ReadReadiness};

#[cfg(test)]
mod tests;

/// The pause between two turns of strangers while the connection limit is reached.
const PAUSE: Duration = Duration::from_millis(1);
/// The number of waiting parties above which there is no pause: a new one would wait too long for its turn.
const FEW: usize = 64;
/// How long there are pauses after the connection limit was reached.
const FULL_FOR: Duration = Duration::from_secs(1);
/// The most networks that a worker remembers as those of applications.
const KNOWN: usize = 4096;

/// Parties alternate in their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    /// All connections of one network.
    Network(Network),
    /// One connection by its number, if its address is not the client's.
    Connection(u64),
}

/// The turns of one worker, on one thread.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// The lane of strangers, and that of known networks.
    lanes: [RefCell<Lane>; 2],
    next: Cell<u64>,
    known: RefCell<HashSet<Network>>,
    /// When the connection limit was last reached.
    full_at: Cell<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Lane {
    /// The waiting tasks of each party, by the order of their arrival.
    waiting: BTreeMap<Party, BTreeMap<u64, Waker>>,
    /// The party that had the last turn for which a task waited.
    last: Option<Party>,
    /// Whether this round's turn is taken.
    is_taken: bool,
    /// Wakes the task that begins rounds, while no turn is taken.
    sleeper: Option<Waker>,
}

impl Turns {
    pub(crate) fn new() -> Rc<Self> {
        Rc::default()
    }

    /// Begins the rounds. Runs as a task of the worker.
    pub(crate) async fn run(self: Rc<Self>) {
        let [strangers, known] = &self.lanes;
        let strangers = async {
            loop {
                is_taken(strangers).await;
                if self.has_pause() {
                    sleep(PAUSE).await;
                }
                begin_round(strangers);
            }
        };
        let known = async {
            loop {
                is_taken(known).await;
                begin_round(known);
            }
        };
        tokio::join!(strangers, known);
    }

    /// Whether there is a pause before the next round of strangers.
    fn has_pause(&self) -> bool {
        let [strangers, _] = &self.lanes;
        self.full_at.get().is_some_and(|at| at.elapsed() < FULL_FOR)
            && strangers.borrow().waiting.len() <= FEW
    }

    /// Notes that the connection limit is reached.
    pub(crate) fn note_full(&self) {
        self.full_at.set(Some(Instant::now()));
    }

    /// Remembers that an application has authenticated from there.
    pub(super) fn remember(&self, party: Party) {
        let Party::Network(network) = party else { return };
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN && !known.contains(&network) {
            known.clear();
        }
        known.insert(network);
    }

    fn lane_of(&self, party: Party) -> &RefCell<Lane> {
        let [strangers, known] = &self.lanes;
        match party {
            Party::Network(network) if self.known.borrow().contains(&network) => known,
            _ => strangers,
        }
    }
}

/// Waits until a turn is taken and the tasks that were ready then have run.
async fn is_taken(lane: &RefCell<Lane>) {
    poll_fn(|cx| {
        let mut lane = lane.borrow_mut();
        if lane.is_taken {
            return Poll::Ready(());
        }
        lane.sleeper = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
    // The runtime polls the sockets before it continues here.
    yield_now().await;
}

fn begin_round(lane: &RefCell<Lane>) {
    let next = lane.borrow_mut().begin_round();
    if let Some(next) = next {
        next.wake();
    }
}

impl Lane {
    /// Begins a round, and returns the waker of the next party's oldest task, if one waits.
    fn begin_round(&mut self) -> Option<Waker> {
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next =
            self.waiting.range((behind, Bound::Unbounded)).next().or_else(|| self.waiting.iter().next());
        let party = next.map(|(party, _)| *party);
        let waker = party.and_then(|party| self.waiting.get_mut(&party)?.pop_first()).map(|(_, waker)| waker);
        if let Some(party) = party {
            self.forget_if_empty(party);
            self.last = Some(party);
        }
        self.is_taken = waker.is_some();
        waker
    }

    fn leave(&mut self, party: Party, number: u64) {
        if let Some(tasks) = self.waiting.get_mut(&party) {
            tasks.remove(&number);
            self.forget_if_empty(party);
        }
    }

    fn forget_if_empty(&mut self, party: Party) {
        if self.waiting.get(&party).is_some_and(BTreeMap::is_empty) {
            self.waiting.remove(&party);
        }
    }
}

/// The turns of one task.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Rc<Turns>,
    party: Party,
    /// The number under which the task waits.
    waiting_as: Option<u64>,
}

impl Turn {
    pub(super) const fn new(turns: Rc<Turns>, party: Party) -> Self {
        Self { turns, party, waiting_as: None }
    }

    /// Ready once per turn.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        match self.waiting_as {
            None => self.begin(cx),
            Some(number) => {
                // The network may have become known meanwhile; the task still waits in its former lane.
                for lane in &self.turns.lanes {
                    let mut lane = lane.borrow_mut();
                    let tasks = lane.waiting.get_mut(&self.party);
                    if let Some(waker) = tasks.and_then(|tasks| tasks.get_mut(&number)) {
                        waker.clone_from(cx.waker());
                        return Poll::Pending;
                    }
                }
                self.waiting_as = None;
                Poll::Ready(())
            }
        }
    }

    fn begin(&mut self, cx: &Context<'_>) -> Poll<()> {
        let turns = &self.turns;
        let mut lane = turns.lane_of(self.party).borrow_mut();
        if !lane.is_taken {
            lane.is_taken = true;
            if let Some(sleeper) = lane.sleeper.take() {
                sleeper.wake();
            }
            return Poll::Ready(());
        }
        let number = turns.next.get();
        turns.next.set(number + 1);
        lane.waiting.entry(self.party).or_default().insert(number, cx.waker().clone());
        self.waiting_as = Some(number);
        Poll::Pending
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(number) = self.waiting_as {
            for lane in &self.turns.lanes {
                lane.borrow_mut().leave(self.party, number);
            }
        }
    }
}

/// Delays a connection's task until its turn if bytes have arrived.
#[derive(Debug)]
pub(super) struct Gate {
    readiness: ReadReadiness,
    turn: Turn,
    /// Whether a turn was taken that is not used yet.
    has_turn: bool,
}

impl Gate {
    pub(super) const fn new(readiness: ReadReadiness, turn: Turn) -> Self {
        Self { readiness, turn, has_turn: false }
    }

    /// Waits until bytes have arrived, or the peer has gone, and then for a turn, by which the gate is open once.
    pub(super) async fn wait_for_turn(&mut self) {
        let mut asks = true;
        let arrived = |cx: &mut Context<'_>| {
            // Later the runtime knows.
            if mem::take(&mut asks) { self.readiness.poll_peek(cx) } else { self.readiness.poll_readable(cx) }
        };
        poll_fn(arrived).await;
        poll_fn(|cx| self.turn.poll(cx)).await;
        self.has_turn = true;
    }

    /// Whether the task may run: no bytes have arrived, so that its work is cheap, or it has a turn. If not, it will be woken.
    pub(super) fn is_open(&mut self, cx: &mut Context<'_>) -> bool {
        mem::take(&mut self.has_turn)
            || self.readiness.poll_readable(cx).is_pending()
            || self.turn.poll(cx).is_ready()
    }
}
