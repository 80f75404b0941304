//! How long a thread may wait for tokens: a worker serves all connections of a core, and a token may be slow.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// A thread waits for at most this share of its time, as one in so many.
const SHARE: u32 = 2;

/// What a thread may wait beyond its share, before it refuses to.
const BURST: Duration = Duration::from_secs(1);

/// What a thread has waited beyond its share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Debt(Duration);

impl Debt {
    /// The debt after some time in which the thread did not wait.
    fn after(self, elapsed: Duration) -> Self {
        Self(self.0.saturating_sub(elapsed / SHARE))
    }

    fn is_too_much(self) -> bool {
        self.0 > BURST
    }
}

thread_local! {
    static DEBT: Cell<(Debt, Option<Instant>)> = const { Cell::new((Debt(Duration::ZERO), None)) };
}

/// Waits on this thread, unless it has waited too much: `None`.
pub(super) fn within<T>(wait: impl FnOnce() -> T) -> Option<T> {
    let begin = Instant::now();
    let (debt, last) = DEBT.get();
    let debt = last.map_or(debt, |last| debt.after(begin.saturating_duration_since(last)));
    if debt.is_too_much() {
        DEBT.set((debt, Some(begin)));
        return None;
    }
    let result = wait();
    let end = Instant::now();
    DEBT.set((Debt(debt.0 + end.saturating_duration_since(begin)), Some(end)));
    Some(result)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_debt_is_paid_by_half_of_the_time() {
        let debt = Debt(BURST + 150 * MS);
        assert!(debt.is_too_much() && debt.after(299 * MS).is_too_much());
        assert_eq!(debt.after(300 * MS), Debt(BURST));
        assert!(!debt.after(300 * MS).is_too_much());
        assert_eq!(debt.after(Duration::from_secs(9)), Debt::default());
    }

    #[test]
    fn a_thread_that_has_waited_too_long_refuses_to() {
        let waited = thread::spawn(|| {
            assert_eq!(within(|| 1), Some(1));
            let (debt, _) = DEBT.get();
            assert!(debt.0 < BURST, "it has hardly waited");
            DEBT.set((Debt(2 * BURST), Some(Instant::now())));
            within(|| 2)
        });
        assert_eq!(waited.join().unwrap(), None);
        assert_eq!(within(|| 3), Some(3), "another thread has not");
    }
}
