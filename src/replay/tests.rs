use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Barrier, atomic::AtomicBool},
};

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn store() -> ReplayStore {
    ReplayStore::new(at(0))
}

#[test]
fn a_jti_is_accepted_once_until_its_assertion_expires() {
    let store = store();
    assert_eq!(store.record("a", "1", at(10), at(0), LIMIT), Ok(()));
    assert_eq!(store.record("a", "1", at(10), at(0), LIMIT), Err(Replay::Used));
    assert_eq!(store.record("a", "1", at(300), at(9), LIMIT), Err(Replay::Used), "another assertion");
    assert_eq!(store.record("a", "1", at(300), at(10), LIMIT), Ok(()), "the first has expired");
    assert_eq!(store.record("a", "1", at(301), at(299), LIMIT), Err(Replay::Used));
    assert_eq!(store.in_use(), 1);
}

#[test]
fn a_jti_of_another_client_does_not_count() {
    let store = store();
    for (client, jti) in [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc"), ("b", "bc")] {
        assert_eq!(store.record(client, jti, at(10), at(0), LIMIT), Ok(()), "{client} {jti}");
        assert_eq!(store.record(client, jti, at(10), at(0), LIMIT), Err(Replay::Used), "{client} {jti}");
    }
}

#[test]
fn an_expired_assertion_is_not_recorded() {
    let store = store();
    assert_eq!(store.record("a", "1", at(5), at(5), LIMIT), Err(Replay::Used));
    assert_eq!(store.in_use(), 0);
}

#[test]
fn a_full_store_refuses_until_something_expires() {
    let store = store();
    for (client, jti) in [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")] {
        assert_eq!(store.record(client, jti, at(10), at(0), 4), Ok(()));
    }
    assert_eq!(store.record("c", "1", at(10), at(0), 4), Err(Replay::Full));
    assert_eq!(store.record("c", "1", at(20), at(9), 4), Err(Replay::Full));
    assert_eq!(store.record("a", "1", at(20), at(9), 4), Err(Replay::Used), "nothing is forgotten");
    assert_eq!(store.record("c", "1", at(20), at(10), 4), Ok(()));
    assert_eq!(store.in_use(), 1);
    let refusals: Vec<_> = store.refusals().collect();
    assert_eq!(
        refusals,
        [(Replay::Used, 1), (Replay::Full, 2), (Replay::ClientFull, 0), (Replay::Unreachable, 0)]
    );
}

#[test]
fn one_client_can_use_half_of_the_store() {
    let store = store();
    for jti in ["1", "2", "3"] {
        assert_eq!(store.record("a", jti, at(10), at(0), 6), Ok(()));
    }
    assert_eq!(store.record("a", "4", at(10), at(0), 6), Err(Replay::ClientFull));
    assert_eq!(store.record("b", "4", at(10), at(0), 6), Ok(()));
    assert_eq!(store.record("a", "4", at(20), at(10), 6), Ok(()), "its values have expired");
}

#[test]
fn a_new_limit_applies_at_once_and_forgets_nothing() {
    let store = store();
    for jti in ["1", "2"] {
        assert_eq!(store.record("a", jti, at(10), at(0), 4), Ok(()));
        assert_eq!(store.record("b", jti, at(10), at(0), 4), Ok(()));
    }
    assert_eq!(store.record("c", "1", at(10), at(0), 2), Err(Replay::Full));
    assert_eq!(store.record("a", "1", at(10), at(0), 2), Err(Replay::Used));
    assert_eq!(store.record("c", "1", at(10), at(0), 8), Ok(()));
    assert_eq!(store.record("a", "1", at(10), at(0), 8), Err(Replay::Used));
}

#[test]
fn a_clock_that_is_set_back_readmits_no_jti() {
    let store = store();
    assert_eq!(store.record("a", "1", at(100), at(50), LIMIT), Ok(()));
    store.sweep(at(100));
    assert_eq!(store.in_use(), 0);
    assert_eq!(store.record("a", "1", at(100), at(60), LIMIT), Err(Replay::Used));
}

#[test]
fn a_clock_that_was_far_ahead_refuses_only_what_may_be_used() {
    let store = store();
    assert_eq!(store.record("a", "1", at(100), at(50), LIMIT), Ok(()));
    store.sweep(at(1_000_000));
    assert_eq!(store.record("a", "2", at(101), at(50), LIMIT), Ok(()));
}

#[test]
fn of_concurrent_uses_exactly_one_succeeds() {
    const THREADS: usize = 8;
    const VALUES: usize = 500;
    let (store, barrier) = (Arc::new(store()), Arc::new(Barrier::new(THREADS)));
    let threads = (0..THREADS).map(|_| {
        let (store, barrier) = (Arc::clone(&store), Arc::clone(&barrier));
        std::thread::spawn(move || {
            barrier.wait();
            let uses = (0..VALUES).map(|jti| store.record("a", &jti.to_string(), at(10), at(0), LIMIT));
            uses.map(|result| usize::from(result.is_ok())).collect::<Vec<_>>()
        })
    });
    let threads: Vec<_> = threads.collect();
    let mut successes = vec![0; VALUES];
    for thread in threads {
        for (all, one) in successes.iter_mut().zip(thread.join().unwrap()) {
            *all += one;
        }
    }
    assert_eq!(successes, vec![1; VALUES]);
}

#[test]
fn concurrent_uses_never_exceed_the_limit() {
    const THREADS: usize = 8;
    let (store, barrier) = (Arc::new(store()), Arc::new(Barrier::new(THREADS)));
    let threads = (0..THREADS).map(|thread| {
        let (store, barrier) = (Arc::clone(&store), Arc::clone(&barrier));
        std::thread::spawn(move || {
            barrier.wait();
            let client = (thread % 4).to_string();
            let uses =
                (0..500).map(|jti| store.record(&client, &format!("{thread} {jti}"), at(10), at(0), 1000));
            uses.flatten().count()
        })
    });
    let threads: Vec<_> = threads.collect();
    let accepted: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!((accepted, store.in_use()), (1000, 1000));
}

#[test]
fn memory_returns_when_values_expire() {
    let store = store();
    let capacity =
        |store: &ReplayStore| -> usize { store.shards.iter().map(|shard| lock(shard).capacity()).sum() };
    for jti in 0..100_000 {
        assert_eq!(store.record("a", &jti.to_string(), at(10), at(0), LIMIT), Ok(()));
    }
    assert!(capacity(&store) >= 100_000);
    // Traffic alone frees it, without a scrape.
    for jti in 0..5000 {
        assert_eq!(store.record("a", &format!("later {jti}"), at(200), at(100), LIMIT), Ok(()));
    }
    assert_eq!(store.in_use(), 5000);
    assert!(capacity(&store) < 20_000, "{}", capacity(&store));
    store.sweep(at(200));
    assert_eq!((store.in_use(), capacity(&store)), (0, 0));
}

/// `cargo test --lib memory_of_a_full_store -- --ignored --nocapture` prints the figures of the documentation.
#[test]
#[ignore = "a measurement"]
fn memory_of_a_full_store() {
    let resident = || -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    };
    let (store, before, start) = (store(), resident(), std::time::Instant::now());
    for count in 1..=LIMIT {
        let client = (count % 4).to_string();
        assert_eq!(store.record(&client, &count.to_string(), at(310), at(0), LIMIT), Ok(()));
        if count % 100_000 == 0 {
            println!("{count}: {} bytes per entry", (resident() - before) / count);
        }
    }
    println!("{:?} per use", start.elapsed() / 1_000_000);
    let start = std::time::Instant::now();
    assert_eq!(store.record("x", "x", at(400), at(300), LIMIT), Err(Replay::Full));
    println!("{:?} for the first refusal of a second", start.elapsed());
    let start = std::time::Instant::now();
    assert_eq!(store.record("x", "x", at(400), at(310), LIMIT), Ok(()));
    println!("{:?} to remove all", start.elapsed());
}

/// All uses in a list.
#[derive(Default)]
struct Model(HashMap<(u8, u8), i64>);

impl Model {
    fn record(&mut self, id: (u8, u8), until: i64, now: i64, limit: usize) -> Result<(), Replay> {
        self.0.retain(|_, used_until| *used_until > now);
        if until <= now || self.0.contains_key(&id) {
            return Err(Replay::Used);
        }
        if self.0.keys().filter(|(client, _)| *client == id.0).count() >= limit / 2 {
            return Err(Replay::ClientFull);
        }
        if self.0.len() >= limit {
            return Err(Replay::Full);
        }
        self.0.insert(id, until);
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_store_decides_as_a_list_would(
        uses in prop::collection::vec((0..4_u8, 0..12_u8, -2..20_i64, 0..4_i64, 2..12_usize), 1..200),
    ) {
        let (store, mut model, mut now) = (store(), Model::default(), 1000);
        for (client, jti, life, passed, limit) in uses {
            now += passed;
            let result = store.record(&client.to_string(), &jti.to_string(), at(now + life), at(now), limit);
            prop_assert_eq!(result, model.record((client, jti), now + life, now, limit));
        }
        store.sweep(at(now));
        model.0.retain(|_, until| *until > now);
        prop_assert_eq!(store.in_use(), model.0.len());
    }

    #[test]
    fn no_clock_readmits_an_assertion(
        uses in prop::collection::vec((0..2_u8, 0..6_u8, 1..20_i64, -30..30_i64, any::<bool>()), 1..200),
    ) {
        let (store, mut accepted, mut now) = (store(), HashSet::new(), 1000);
        for (client, jti, life, passed, is_swept) in uses {
            now += passed;
            if is_swept {
                store.sweep(at(now));
            }
            // Few expiry times, so that the same assertion comes again at other times of the clock.
            let until = (now + life) / 10 * 10;
            if store.record(&client.to_string(), &jti.to_string(), at(until), at(now), 20).is_ok() {
                prop_assert!(until > now && accepted.insert((client, jti, until)));
            }
        }
    }
}

/// Another store in this process, which may be gone.
#[derive(Debug)]
struct Other(ReplayStore, AtomicBool);

impl Successor for Other {
    fn record(&self, used: &Use) -> Result<Result<(), Replay>, Gone> {
        if self.1.load(Relaxed) {
            return Err(Gone);
        }
        let used = Use::decode(&used.encode()).unwrap();
        Ok(self.0.record_use(&used))
    }
}

fn handed_over(from: &ReplayStore) -> Arc<Other> {
    let other = Arc::new(Other(ReplayStore::with_keys(from.started(), from.keys()), AtomicBool::new(false)));
    let successor = Arc::clone(&other);
    let adopt = |shard: &[u8]| {
        other.0.adopt(shard, at(0)).then_some(()).ok_or_else(|| std::io::Error::other("malformed"))
    };
    from.hand_over(successor, adopt).unwrap();
    other
}

#[test]
fn a_store_that_moved_accepts_nothing_twice() {
    let old = store();
    for jti in 0..1000 {
        assert_eq!(old.record("a", &jti.to_string(), at(10), at(0), LIMIT), Ok(()));
    }
    let new = handed_over(&old);
    assert_eq!(new.0.in_use(), 1000);
    for jti in 0..1000 {
        assert_eq!(new.0.record("a", &jti.to_string(), at(10), at(0), LIMIT), Err(Replay::Used));
    }
    // Whichever of the two receives it first.
    for (first, second) in [(&old, &new.0), (&new.0, &old)] {
        let jti = format!("{first:p}");
        assert_eq!(first.record("b", &jti, at(10), at(0), LIMIT), Ok(()));
        assert_eq!(second.record("b", &jti, at(10), at(0), LIMIT), Err(Replay::Used));
        assert_eq!(first.record("b", &jti, at(10), at(0), LIMIT), Err(Replay::Used));
    }
    // The share of a client is counted there.
    assert_eq!(old.record("a", "more", at(10), at(0), 2000), Err(Replay::ClientFull));
    new.1.store(true, Relaxed);
    assert_eq!(old.record("b", "new", at(10), at(0), LIMIT), Err(Replay::Unreachable));
}

#[test]
fn a_store_that_is_taken_back_forgets_nothing() {
    let old = store();
    assert_eq!(old.record("a", "before", at(10), at(0), LIMIT), Ok(()));
    let new = handed_over(&old);
    assert_eq!(old.record("a", "there", at(10), at(0), LIMIT), Ok(()));
    drop(new);
    old.take_back();
    for jti in ["before", "there"] {
        assert_eq!(old.record("a", jti, at(10), at(0), LIMIT), Err(Replay::Used));
    }
    assert_eq!(old.record("a", "after", at(10), at(0), LIMIT), Ok(()));
}

#[test]
fn a_clock_that_is_set_back_readmits_nothing_there() {
    let old = store();
    assert_eq!(old.record("a", "1", at(100), at(50), LIMIT), Ok(()));
    old.sweep(at(100));
    let new = handed_over(&old);
    assert_eq!(new.0.record("a", "1", at(100), at(60), LIMIT), Err(Replay::Used));
}

#[test]
fn no_bytes_of_another_process_panic() {
    let store = store();
    for length in [0, 1, 7, 8, 9, 39, 40, 41] {
        let is_whole = length == 8 || length == 40;
        assert_eq!(store.adopt(&vec![0xff; length], at(0)), is_whole, "{length}");
    }
}

#[test]
fn concurrent_uses_during_a_move_succeed_once() {
    const THREADS: usize = 4;
    const VALUES: usize = 2000;
    let old = Arc::new(store());
    let new = Arc::new(Other(ReplayStore::with_keys(at(0), old.keys()), AtomicBool::new(false)));
    let barrier = Arc::new(Barrier::new(THREADS + 1));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (old, new, barrier) = (Arc::clone(&old), Arc::clone(&new), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                let mut successes = Vec::new();
                for jti in 0..VALUES {
                    // The new process serves once everything has moved: from the middle on.
                    let store = if thread % 2 == 0 || jti < VALUES / 2 { &old } else { &new.0 };
                    if jti == VALUES / 2 {
                        barrier.wait();
                    }
                    let result = store.record("a", &jti.to_string(), at(10), at(0), LIMIT);
                    successes.push(usize::from(result.is_ok()));
                }
                successes
            })
        })
        .collect();
    barrier.wait();
    let successor: Arc<dyn Successor> = Arc::clone(&new) as _;
    let adopt = |shard: &[u8]| {
        new.0.adopt(shard, at(0)).then_some(()).ok_or_else(|| std::io::Error::other("malformed"))
    };
    old.hand_over(successor, adopt).unwrap();
    barrier.wait();
    let mut successes = vec![0; VALUES];
    for thread in threads {
        for (all, one) in successes.iter_mut().zip(thread.join().unwrap()) {
            *all += one;
        }
    }
    assert_eq!(successes, vec![1; VALUES]);
}
