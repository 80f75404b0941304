//! The spans that wait for export: few, whatever the collector does.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Span;

/// The spans of one export.
pub const BATCH: usize = 512;
/// The spans that wait at most. Each is below 4 KiB, whatever a client sends.
const BOUND: usize = 2048;

/// A queue from all workers to the exporter.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    /// Notifies the exporter of the first span, and of the last one of a batch.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    spans: Vec<Span>,
    dropped: u64,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the spans of a request, or drops and counts all of them if they do not fit. Never waits for the exporter.
    pub fn push(&self, spans: Vec<Span>) {
        let mut state = self.lock();
        let (before, after) = (state.spans.len(), state.spans.len() + spans.len());
        if after > BOUND {
            state.dropped += u64::try_from(spans.len()).unwrap_or(u64::MAX);
            return;
        }
        state.spans.extend(spans);
        drop(state);
        if before == 0 || (before < BATCH && after >= BATCH) {
            self.changed.notify_one();
        }
    }

    /// The number of spans that did not fit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits until this many spans are in the queue. For one exporter.
    pub async fn has(&self, count: usize) {
        while self.lock().spans.len() < count {
            self.changed.notified().await;
        }
    }

    /// Whether it has spans.
    #[must_use]
    pub fn has_any(&self) -> bool {
        !self.lock().spans.is_empty()
    }

    /// Takes the spans of one export, the oldest first.
    pub fn take(&self) -> Vec<Span> {
        let mut state = self.lock();
        let count = state.spans.len().min(BATCH);
        state.spans.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use futures_util::FutureExt;

    use super::*;
    use crate::trace::{Kind, Origin};

    fn span(number: u8) -> Span {
        Span {
            trace_id: [number; 16],
            id: [1; 8],
            origin: Origin::Root,
            name: String::new(),
            kind: Kind::Server,
            start: SystemTime::UNIX_EPOCH,
            end: SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            is_error: false,
        }
    }

    #[test]
    fn what_does_not_fit_is_dropped_whole_and_counted() {
        let queue = Queue::default();
        for _ in 0..BOUND / 2 {
            queue.push(vec![span(0), span(1)]);
        }
        assert_eq!(queue.dropped(), 0);
        queue.push(vec![span(2), span(2)]);
        assert_eq!(queue.dropped(), 2);
        assert_eq!(queue.take().len(), BATCH);
        queue.push(vec![span(3)]);
        let mut rest = Vec::new();
        for _ in 0..BOUND / BATCH {
            rest.extend(queue.take());
        }
        assert_eq!((rest.len(), rest.last()), (BOUND - BATCH + 1, Some(&span(3))));
        assert!(queue.take().is_empty());
    }

    #[test]
    fn the_first_span_and_a_full_batch_wake_the_exporter() {
        let queue = Queue::default();
        let mut first = Box::pin(queue.has(1));
        assert_eq!(first.as_mut().now_or_never(), None);
        queue.push(vec![span(0)]);
        assert_eq!(first.now_or_never(), Some(()));
        let mut full = Box::pin(queue.has(BATCH));
        for _ in 1..BATCH {
            assert_eq!(full.as_mut().now_or_never(), None);
            queue.push(vec![span(0)]);
        }
        assert_eq!(full.now_or_never(), Some(()));
    }
}
