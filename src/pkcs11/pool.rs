//! The threads that call a module: a bounded queue of work, for which callers wait a bounded time.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst},
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// The most pieces of work that wait. Each is of a worker that stands still meanwhile, so that there are hardly more
/// than workers.
const WAITING: usize = 64;

/// How long after the last piece of work that timed out another one is tried on a free thread, while the module hangs.
const TRIAL: Duration = Duration::from_secs(30);

/// Why work has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// Too much waits already.
    Full,
    /// It takes longer than the caller waits.
    TimedOut,
    /// Half of the threads are busy with what timed out: the module hangs. Callers do not wait for it.
    Hanging,
    /// It panicked.
    Panicked,
}

type Work = Box<dyn FnOnce() + Send>;

/// Some threads. They run until the process ends, since a module cannot be unloaded.
pub(super) struct Pool {
    state: Mutex<State>,
    /// Notified of work, and of threads that have nothing to do.
    wake: Condvar,
    threads: usize,
    /// How many pieces of work that timed out have not ended.
    overdue: AtomicUsize,
    /// How many of these do not count: the module has worked since, without their threads.
    lost: AtomicUsize,
    /// When the last piece of work timed out, or was tried while the module hung.
    timed_out: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    /// How many threads do something.
    busy: usize,
    /// Nothing more is done.
    is_closed: bool,
}

/// The state of a piece of work.
const RUNNING: u8 = 0;
const ENDED: u8 = 1;
const ABANDONED: u8 = 2;

impl Pool {
    /// Starts the threads. They have the rights of this one.
    pub(super) fn start(threads: usize) -> io::Result<Arc<Self>> {
        let pool = Arc::new(Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            threads,
            overdue: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            timed_out: Mutex::default(),
        });
        for number in 0..threads {
            let pool = Arc::clone(&pool);
            thread::Builder::new().name(format!("pkcs11-{number}")).spawn(move || pool.work())?;
        }
        Ok(pool)
    }

    fn work(&self) {
        loop {
            let mut state = self.state();
            let work = loop {
                match state.waiting.pop_front() {
                    Some(work) => break work,
                    None => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                }
            };
            state.busy += 1;
            drop(state);
            // The caller notices that the result's sender is gone.
            let _ = catch_unwind(AssertUnwindSafe(work));
            self.state().busy -= 1;
            self.wake.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether half of the threads that are not lost do what timed out.
    fn hangs(&self) -> bool {
        let lost = self.lost.load(SeqCst);
        self.overdue.load(SeqCst).saturating_sub(lost) >= (self.threads.saturating_sub(lost) / 2).max(1)
    }

    /// Whether a module that hangs may be tried: some calls never return, and the others work again.
    fn may_try(&self) -> bool {
        let has_free_thread = self.state().busy < self.threads;
        let mut timed_out = self.timed_out();
        let is_time = timed_out.is_some_and(|last| last.elapsed() >= TRIAL);
        if has_free_thread && is_time {
            *timed_out = Some(Instant::now());
        }
        has_free_thread && is_time
    }

    fn timed_out(&self) -> MutexGuard<'_, Option<Instant>> {
        self.timed_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does this on one of the threads, and waits for its result.
    pub(super) fn run<T: Send + 'static>(
        self: &Arc<Self>,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Undone> {
        let is_trial = self.hangs();
        if is_trial && !self.may_try() {
            return Err(Undone::Hanging);
        }
        let (send, receive) = sync_channel(1);
        let state = Arc::new(AtomicU8::new(RUNNING));
        let (pool, ticket) = (Arc::clone(self), Arc::clone(&state));
        let work = move || {
            let guard = Overdue { pool, ticket };
            if guard.ticket.load(SeqCst) != ABANDONED {
                // The receiver may be gone.
                let _ = send.send(work());
            }
        };
        {
            let mut state = self.state();
            if state.waiting.len() >= WAITING || state.is_closed {
                return Err(Undone::Full);
            }
            state.waiting.push_back(Box::new(work));
        }
        self.wake.notify_all();
        match receive.recv_timeout(patience) {
            Ok(result) => {
                if is_trial {
                    self.lost.store(self.overdue.load(SeqCst), SeqCst);
                }
                Ok(result)
            }
            Err(RecvTimeoutError::Disconnected) => Err(Undone::Panicked),
            Err(RecvTimeoutError::Timeout) => {
                *self.timed_out() = Some(Instant::now());
                self.overdue.fetch_add(1, SeqCst);
                if state.swap(ABANDONED, SeqCst) == ENDED {
                    self.overdue.fetch_sub(1, SeqCst);
                }
                Err(Undone::TimedOut)
            }
        }
    }

    /// Does this on one of the threads at some time.
    pub(super) fn later(&self, work: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        if state.is_closed {
            // What it owns must not be dropped either: that would call the module.
            return std::mem::forget(work);
        }
        state.waiting.push_back(Box::new(work));
        self.wake.notify_all();
    }

    /// Does nothing more after what waits now. Returns whether that has ended within this time.
    pub(super) fn close(&self, patience: Duration) -> bool {
        let mut state = self.state();
        state.is_closed = true;
        let is_working = |state: &mut State| state.busy > 0 || !state.waiting.is_empty();
        let waited = self.wake.wait_timeout_while(state, patience, is_working);
        waited.is_ok_and(|(_, result)| !result.timed_out())
    }
}

/// Ends a piece of work, also after a panic.
struct Overdue {
    pool: Arc<Pool>,
    ticket: Arc<AtomicU8>,
}

impl Drop for Overdue {
    fn drop(&mut self) {
        if self.ticket.swap(ENDED, SeqCst) == ABANDONED {
            let left = self.pool.overdue.fetch_sub(1, SeqCst) - 1;
            self.pool.lost.fetch_min(left, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(1);

    /// Work that lasts until the sender is dropped.
    fn blocked() -> (Sender<()>, impl FnOnce() + Send + 'static) {
        let (end, ended): (_, Receiver<()>) = channel();
        (end, move || assert!(ended.recv().is_err(), "nothing is sent"))
    }

    #[test]
    fn work_has_its_result_and_a_panic_ends_no_thread() {
        let pool = Pool::start(1).unwrap();
        assert_eq!(pool.run(LONG, || 1), Ok(1));
        assert_eq!(pool.run(LONG, || assert_eq!(1, 2, "as expected")), Err(Undone::Panicked));
        assert_eq!(pool.run(LONG, || 2), Ok(2));
    }

    /// Has so many threads in all do what has timed out. Work that was abandoned before a thread took it is not done, and does not
    /// count.
    fn hang(pool: &Arc<Pool>, threads: usize, ends: &mut Vec<Sender<()>>) {
        let started = Arc::new(AtomicUsize::new(pool.overdue.load(SeqCst)));
        while started.load(SeqCst) < threads {
            let ((end, work), started) = (blocked(), Arc::clone(&started));
            let work = move || {
                started.fetch_add(1, SeqCst);
                work();
            };
            assert!(pool.run(SHORT, work).is_err());
            ends.push(end);
        }
        while pool.overdue.load(SeqCst) > threads || !pool.state().waiting.is_empty() {
            thread::yield_now();
        }
    }

    /// Ends it.
    fn answer(pool: &Pool, ends: Vec<Sender<()>>) {
        drop(ends);
        // They end at some time, and nothing else does it.
        while pool.overdue.load(SeqCst) > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn nobody_waits_for_a_module_that_hangs_until_it_answers() {
        let (pool, mut ends) = (Pool::start(4).unwrap(), Vec::new());
        hang(&pool, 2, &mut ends);
        assert_eq!(pool.run(LONG, || 1), Err(Undone::Hanging));
        answer(&pool, ends);
        assert_eq!(pool.run(LONG, || 1), Ok(1));
    }

    #[test]
    fn a_module_is_used_again_without_the_calls_that_never_return() {
        let (pool, mut ends) = (Pool::start(4).unwrap(), Vec::new());
        hang(&pool, 2, &mut ends);
        assert_eq!(pool.run(LONG, || 1), Err(Undone::Hanging), "it is not time to try");
        *pool.timed_out() = Instant::now().checked_sub(TRIAL);
        assert_eq!(pool.run(LONG, || 2), Ok(2));
        assert_eq!(pool.run(LONG, || 3), Ok(3));
        // Of the two that are left, one more that never returns is half.
        hang(&pool, 3, &mut ends);
        assert_eq!(pool.run(LONG, || 4), Err(Undone::Hanging));
        answer(&pool, ends);
        assert_eq!((pool.run(LONG, || 5), pool.lost.load(SeqCst)), (Ok(5), 0));
    }

    #[test]
    fn a_closed_pool_has_done_what_waited() {
        let pool = Pool::start(2).unwrap();
        let (done, did) = channel();
        for number in 0..20 {
            let done = done.clone();
            pool.later(move || done.send(number).unwrap());
        }
        assert!(pool.close(LONG));
        assert_eq!(did.try_iter().count(), 20);
        pool.later(move || done.send(0).unwrap());
        assert_eq!(pool.run(LONG, || ()), Err(Undone::Full));
        assert!(did.try_recv().is_err());
    }

    #[test]
    fn abandoned_work_is_not_done_and_the_queue_is_bounded() {
        let pool = Pool::start(1).unwrap();
        let ((end, work), (started, starts)) = (blocked(), channel());
        pool.later(move || {
            started.send(()).unwrap();
            work();
        });
        starts.recv().unwrap();
        let (done, did) = channel();
        assert_eq!(pool.run(SHORT, move || done.send(())), Err(Undone::TimedOut));
        for _ in 1..WAITING {
            pool.later(|| {});
        }
        pool.overdue.store(0, SeqCst);
        assert_eq!(pool.run(LONG, || ()), Err(Undone::Full));
        pool.overdue.store(1, SeqCst);
        drop(end);
        assert!(did.recv().is_err(), "its sender is dropped unused");
    }
}
