//! The order in which turns are given.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Wake,
};

use tokio::runtime::LocalOptions;

use super::*;

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

struct Task {
    turn: Turn,
    woken: Arc<Woken>,
}

impl Task {
    fn new(turns: &Rc<Turns>, party: Party) -> Self {
        Self { turn: Turn::new(Rc::clone(turns), party), woken: Arc::default() }
    }

    /// A task that already waits.
    fn waiting(turns: &Rc<Turns>, party: Party) -> Self {
        let mut task = Self::new(turns, party);
        assert!(!task.asks());
        task
    }

    fn asks(&mut self) -> bool {
        let waker = Arc::clone(&self.woken).into();
        self.turn.poll(&Context::from_waker(&waker)).is_ready()
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Relaxed)
    }
}

fn network(last: u8) -> Party {
    Party::Network(Network::of([192, 0, 2, last].into()))
}

/// Turns of which the first is taken.
fn taken() -> Rc<Turns> {
    let turns = Turns::new();
    assert!(Task::new(&turns, network(9)).asks());
    turns
}

/// Which tasks are woken in each round.
fn rounds(turns: &Turns, tasks: &mut [Task]) -> Vec<Vec<usize>> {
    let mut rounds = Vec::new();
    loop {
        turns.lanes.iter().for_each(begin_round);
        let woken: Vec<_> = (0..tasks.len()).filter(|task| tasks[*task].is_woken()).collect();
        if woken.is_empty() {
            return rounds;
        }
        for task in &woken {
            assert!(tasks[*task].asks());
            tasks[*task].woken.0.store(false, Relaxed);
        }
        rounds.push(woken);
    }
}

#[test]
fn a_round_gives_one_turn_in_the_order_of_coming() {
    let turns = taken();
    let mut tasks: Vec<_> = (0..3).map(|_| Task::waiting(&turns, network(1))).collect();
    assert_eq!(rounds(&turns, &mut tasks), [[0], [1], [2]]);
    // No task waits, so the next one has its turn at once.
    assert!(tasks[0].asks());
    assert!(!tasks[0].asks());
}

#[test]
fn networks_alternate_however_many_tasks_one_has() {
    let turns = taken();
    let parties = [1, 1, 1, 1, 2, 3].map(network);
    let mut tasks: Vec<_> = parties.map(|party| Task::waiting(&turns, party)).into();
    assert_eq!(rounds(&turns, &mut tasks), [[0], [4], [5], [1], [2], [3]]);
}

#[test]
fn connections_without_an_address_of_their_own_alternate() {
    let turns = taken();
    let parties = [1, 1, 2].map(Party::Connection);
    let mut tasks: Vec<_> = parties.map(|party| Task::waiting(&turns, party)).into();
    assert_eq!(rounds(&turns, &mut tasks), [[0], [2], [1]]);
}

#[test]
fn a_known_network_waits_for_no_stranger() {
    let turns = taken();
    turns.remember(network(7));
    let mut tasks: Vec<_> = (0..3).map(|_| Task::waiting(&turns, network(1))).collect();
    let mut known = Task::new(&turns, network(7));
    assert!(known.asks());
    assert!(!known.asks());
    tasks.push(known);
    assert_eq!(rounds(&turns, &mut tasks), [vec![0, 3], vec![1], vec![2]]);
}

#[test]
fn a_client_that_becomes_known_keeps_its_turn() {
    let turns = taken();
    let mut tasks: Vec<_> = (0..2).map(|_| Task::waiting(&turns, network(1))).collect();
    turns.remember(network(1));
    assert!(!tasks[0].asks());
    assert_eq!(rounds(&turns, &mut tasks), [[0], [1]]);
}

#[test]
fn a_task_that_goes_away_leaves_the_turn_to_the_next() {
    let turns = taken();
    let mut tasks: Vec<_> = (0..4).map(|_| Task::waiting(&turns, network(1))).collect();
    drop(tasks.remove(0));
    turns.lanes.iter().for_each(begin_round);
    assert!(tasks[0].is_woken());
    // Even if it was woken for its turn.
    drop(tasks.remove(0));
    assert_eq!(rounds(&turns, &mut tasks), [[0], [1]]);
    assert!(turns.lanes.iter().all(|lane| lane.borrow().waiting.is_empty()));
}

#[test]
fn strangers_of_few_networks_pause_at_the_limit() {
    let turns = taken();
    let mut tasks: Vec<_> =
        (0..FEW).map(|number| Task::waiting(&turns, Party::Connection(number as u64))).collect();
    assert!(!turns.has_pause());
    turns.note_full();
    assert!(turns.has_pause());
    tasks.push(Task::waiting(&turns, network(1)));
    assert!(!turns.has_pause());
}

#[test]
fn known_networks_are_bounded() {
    let turns = Turns::new();
    for number in 0..=u32::try_from(KNOWN).unwrap() {
        turns.remember(Party::Network(Network::of(std::net::Ipv4Addr::from(number).into())));
    }
    assert_eq!(turns.known.borrow().len(), 1);
}

#[test]
fn other_tasks_run_between_two_turns() {
    let runtime = tokio::runtime::Builder::new_current_thread().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let turns = Turns::new();
        tokio::task::spawn_local(Rc::clone(&turns).run());
        let log = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let (mut turn, log) = (Turn::new(Rc::clone(&turns), network(1)), Rc::clone(&log));
                tokio::task::spawn_local(async move {
                    poll_fn(|cx| turn.poll(cx)).await;
                    log.borrow_mut().push(number);
                })
            })
            .collect();
        let honest = Rc::clone(&log);
        tokio::task::spawn_local(async move { honest.borrow_mut().push(1_000) }).await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        let log = log.borrow();
        let place = log.iter().position(|number| *number == 1_000).unwrap();
        assert!(place <= 2, "{place} turns came first");
        let turns: Vec<_> = log.iter().copied().filter(|number| *number != 1_000).collect();
        assert_eq!(turns, (0..100).collect::<Vec<_>>());
    });
}
