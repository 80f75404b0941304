//! How long a thread may wait for tokens: a worker serves all connections of a core, and a token may be slow.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use super::Side;

/// For each second of waiting, a thread does so many seconds of other work: it waits for a third of its time at most.
const WORK: u32 = 2;

/// What a thread may wait beyond its share, before it refuses to.
const BURST: Duration = Duration::from_secs(1);

/// What a thread has waited beyond its share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Debt(Duration);

impl Debt {
    /// The debt after some time in which the thread did not wait.
    fn after(self, elapsed: Duration) -> Self {
        Self(self.0.saturating_sub(elapsed / WORK))
    }

    fn is_too_much(self) -> bool {
        self.0 > BURST
    }
}

/// A thread's debt on one side, and when it was computed.
type Account = Cell<(Debt, Option<Instant>)>;

thread_local! {
    static SERVER: Account = const { Cell::new((Debt(Duration::ZERO), None)) };
    static CLIENT: Account = const { Cell::new((Debt(Duration::ZERO), None)) };
}

/// Waits on this thread, unless it has waited too much on this side: `None`.
pub(super) fn within<T>(side: Side, wait: impl FnOnce() -> T) -> Option<T> {
    let account = match side {
        Side::Server => &SERVER,
        Side::Client => &CLIENT,
    };
    let begin = Instant::now();
    let (debt, last) = account.get();
    let debt = last.map_or(debt, |last| debt.after(begin.saturating_duration_since(last)));
    if debt.is_too_much() {
        account.set((debt, Some(begin)));
        return None;
    }
    let result = wait();
    let end = Instant::now();
    account.set((Debt(debt.0 + end.saturating_duration_since(begin)), Some(end)));
    Some(result)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_debt_is_paid_by_twice_its_time() {
        let debt = Debt(BURST + 150 * MS);
        assert!(debt.is_too_much() && debt.after(299 * MS).is_too_much());
        assert_eq!(debt.after(300 * MS), Debt(BURST));
        assert!(!debt.after(300 * MS).is_too_much());
        assert_eq!(debt.after(Duration::from_secs(9)), Debt::default());
    }

    #[test]
    fn a_thread_that_has_waited_too_long_refuses_to() {
        let waited = thread::spawn(|| {
            assert_eq!(within(Side::Server, || 1), Some(1));
            let (debt, _) = SERVER.get();
            assert!(debt.0 < BURST, "it has hardly waited");
            SERVER.set((Debt(2 * BURST), Some(Instant::now())));
            [Side::Server, Side::Client].map(|side| within(side, || 2))
        });
        assert_eq!(waited.join().unwrap(), [None, Some(2)], "clients keep no upstream from being reached");
        assert_eq!(within(Side::Server, || 3), Some(3), "another thread has not");
    }
}
