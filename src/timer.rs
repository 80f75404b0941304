//! A timer for deadlines that hardly ever pass.
//!
//! A connection's task looks at its deadline at every turn. tokio's timer registers the task's waker at each poll, which costs more
//! than all other work of such a look; this one leaves it registered.

use std::{
    ops::DerefMut,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::{
    task::coop::has_budget_remaining,
    time::{Instant, Sleep},
};

/// A timer on a pinned [`Sleep`].
#[derive(Debug)]
pub(crate) struct Timer<P> {
    sleep: Pin<P>,
    /// Of the task that the sleep wakes; none if it is to be polled first.
    registered: Option<Waker>,
}

impl<P: DerefMut<Target = Sleep>> Timer<P> {
    pub(crate) const fn new(sleep: Pin<P>) -> Self {
        Self { sleep, registered: None }
    }

    /// When it fires.
    pub(crate) fn deadline(&self) -> Instant {
        self.sleep.deadline()
    }

    /// Sets it to fire at this time, whether it has fired or not.
    pub(crate) fn reset(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
        self.registered = None;
    }

    /// Ready once it has fired; until then the task is woken when it does.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_registered = self.registered.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_registered && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        // Without budget, tokio lets the task run again and registers nothing.
        let is_polled = has_budget_remaining();
        let fired = self.sleep.as_mut().poll(cx);
        self.registered = (is_polled && fired.is_pending()).then(|| cx.waker().clone());
        fired
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use futures_util::FutureExt;
    use tokio::{task::coop::consume_budget, time::sleep};

    use super::*;

    const SOON: Duration = Duration::from_millis(5);
    const LATE: Duration = Duration::from_secs(3600);

    fn block_on(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn a_registered_timer_fires() {
        block_on(async {
            let mut timer = Timer::new(Box::pin(sleep(SOON)));
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                let is_ready = timer.poll(cx);
                assert_eq!(timer.poll(cx), is_ready);
                is_ready
            })
            .await;
            assert!(polls > 1);
        });
    }

    #[test]
    fn a_reset_timer_fires_again() {
        block_on(async {
            let mut timer = Timer::new(Box::pin(sleep(LATE)));
            assert_eq!(poll_fn(|cx| timer.poll(cx)).now_or_never(), None);
            for _ in 0..2 {
                timer.reset(Instant::now() + SOON);
                poll_fn(|cx| timer.poll(cx)).await;
            }
        });
    }

    #[test]
    fn it_wakes_the_task_that_polled_it_last() {
        block_on(async {
            let mut timer = Timer::new(Box::pin(sleep(SOON)));
            assert_eq!(poll_fn(|cx| timer.poll(cx)).now_or_never(), None);
            poll_fn(|cx| timer.poll(cx)).await;
        });
    }

    #[test]
    fn it_fires_although_it_was_polled_without_budget() {
        block_on(async {
            let mut timer = Timer::new(Box::pin(sleep(SOON)));
            let mut is_first = true;
            poll_fn(|cx| {
                if std::mem::take(&mut is_first) {
                    while std::pin::pin!(consume_budget()).poll(cx).is_ready() {}
                }
                timer.poll(cx)
            })
            .await;
        });
    }
}
