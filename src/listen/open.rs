//! How many connections of a worker are open: a count that can be waited for, on one thread.

use std::{cell::Cell, rc::Rc};

use tokio::sync::Notify;

#[derive(Clone, Debug, Default)]
pub(super) struct OpenConnections(Rc<(Cell<usize>, Notify)>);

#[derive(Debug)]
pub(super) struct Entry(OpenConnections);

impl OpenConnections {
    pub(super) fn enter(&self) -> Entry {
        self.0.0.set(self.count() + 1);
        Entry(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.0.get()
    }

    pub(super) async fn none_left(&self) {
        while self.count() > 0 {
            self.0.1.notified().await;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (count, gone) = &*self.0.0;
        count.set(count.get().saturating_sub(1));
        if count.get() == 0 {
            gone.notify_one();
        }
    }
}
