//! In which order a worker does the work of those that have proved nothing.
//!
//! A worker is one thread: of hundreds of handshakes or streams that are ready at once, each would run before an honest client's
//! next byte is even read. So each step of such work takes a turn, and of a lane one turn is given in a round: meanwhile the tasks
//! that are ready run, and the sockets are asked what has come. In a lane the networks alternate, so that a storm from one
//! address waits for itself. Networks from which an application has proved itself have a lane of their own. What has proved
//! itself waits for nobody. Where all connections are taken, rounds of strangers have a pause between them: a worker that does
//! nothing but shake hands with them would let everybody else wait.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashSet},
    future::poll_fn,
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

/// Between two turns of strangers where they are too many.
const PAUSE: Duration = Duration::from_millis(1);
/// Parties that wait, beyond which there is no pause: the turn of one that has only just come would be too long in coming.
const FEW: usize = 64;
/// They are too many for so long after all places were taken.
const PRESSED: Duration = Duration::from_secs(1);
/// Networks that a worker remembers to have been an application's.
const KNOWN: usize = 4096;

/// Whose turns alternate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    /// All connections of a network.
    Network(Network),
    /// One connection by its number, where its address says nothing about the client.
    Connection(u64),
}

/// The turns of one worker. All on one thread.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Of parties that are not known, and of those that are.
    lanes: [RefCell<Lane>; 2],
    next: Cell<u64>,
    known: RefCell<HashSet<Network>>,
    /// When there was no place for a connection.
    pressed: Cell<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Lane {
    /// Each party's waiting tasks, by when they came.
    waiting: BTreeMap<Party, BTreeMap<u64, Waker>>,
    /// Who had the last turn that was waited for.
    last: Option<Party>,
    /// Whether this round's turn was given.
    is_taken: bool,
    /// Who gives the turns, while nobody has taken one.
    sleeper: Option<Waker>,
}

impl Turns {
    pub(crate) fn new() -> Rc<Self> {
        Rc::default()
    }

    /// Gives the turns. To be run as a task of the worker.
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

    /// Whether the strangers' next round has a pause before it.
    fn has_pause(&self) -> bool {
        let [strangers, _] = &self.lanes;
        self.pressed.get().is_some_and(|at| at.elapsed() < PRESSED) && strangers.borrow().waiting.len() <= FEW
    }

    /// There is no place for a connection.
    pub(crate) fn press(&self) {
        self.pressed.set(Some(Instant::now()));
    }

    /// Remembers that an application has proved itself there.
    pub(super) fn knows(&self, party: Party) {
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

/// Until somebody has taken a turn, and the tasks that were ready then have run.
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
    // The runtime asks the sockets before it goes on here.
    yield_now().await;
}

fn begin_round(lane: &RefCell<Lane>) {
    let next = lane.borrow_mut().begin_round();
    if let Some(next) = next {
        next.wake();
    }
}

impl Lane {
    /// Wakes the next party's oldest task, if one waits.
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

/// One task's turns, one after the other.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Rc<Turns>,
    party: Party,
    /// The number under which it waits.
    waits: Option<u64>,
}

impl Turn {
    pub(super) const fn new(turns: Rc<Turns>, party: Party) -> Self {
        Self { turns, party, waits: None }
    }

    /// Ready once for each turn.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        match self.waits {
            None => self.begin(cx),
            Some(number) => {
                // It may have become known meanwhile, and waits where it began to.
                for lane in &self.turns.lanes {
                    let mut lane = lane.borrow_mut();
                    let tasks = lane.waiting.get_mut(&self.party);
                    if let Some(waker) = tasks.and_then(|tasks| tasks.get_mut(&number)) {
                        waker.clone_from(cx.waker());
                        return Poll::Pending;
                    }
                }
                self.waits = None;
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
        self.waits = Some(number);
        Poll::Pending
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(number) = self.waits {
            for lane in &self.turns.lanes {
                lane.borrow_mut().leave(self.party, number);
            }
        }
    }
}

/// Holds a connection's task back from what has come over it until its turn.
#[derive(Debug)]
pub(super) struct Gate {
    readiness: ReadReadiness,
    turn: Turn,
}

impl Gate {
    pub(super) const fn new(readiness: ReadReadiness, turn: Turn) -> Self {
        Self { readiness, turn }
    }

    /// Whether the task may go on: nothing has come, so that it does what costs little, or it has a turn. If not, it is woken.
    pub(super) fn is_open(&mut self, cx: &mut Context<'_>) -> bool {
        self.readiness.poll_readable(cx).is_pending() || self.turn.poll(cx).is_ready()
    }
}
