//! Bounds the connections of an address; a new connection always gets a place.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::task::{AbortHandle, JoinHandle};

/// The open connections, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    most: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    task: Option<AbortHandle>,
    has_requested: Arc<AtomicBool>,
}

/// The place of one connection, released when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    of: Connections,
    number: u64,
    has_requested: Arc<AtomicBool>,
}

impl Connections {
    /// At most this many.
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// Takes a place for a new connection. If none is free, the oldest connection that has not sent a request is closed, or
    /// else the oldest one: open connections cannot block a probe.
    pub(super) fn enter(&self) -> Place {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while open.entries.len() >= self.most {
            let is_silent = |entry: &Entry| !entry.has_requested.load(Ordering::Relaxed);
            let silent = open.entries.iter().find(|(_, entry)| is_silent(entry)).map(|(number, _)| *number);
            let Some(number) = silent.or_else(|| open.entries.keys().next().copied()) else { break };
            if let Some(Entry { task: Some(task), .. }) = open.entries.remove(&number) {
                task.abort();
            }
        }
        let number = open.next;
        open.next += 1;
        let has_requested = Arc::new(AtomicBool::new(false));
        open.entries.insert(number, Entry { task: None, has_requested: Arc::clone(&has_requested) });
        Place { of: self.clone(), number, has_requested }
    }

    /// Sets the task that serves a connection, through which it can be closed.
    pub(super) fn set_task(&self, number: u64, task: &JoinHandle<()>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = open.entries.get_mut(&number) {
            entry.task = Some(task.abort_handle());
        }
    }
}

impl Place {
    /// The number of this place, counted from the start.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Notes that a request was received.
    pub(super) fn mark_requested(&self) {
        self.has_requested.store(true, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.of.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.entries.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::CONNECTIONS;

    #[tokio::test]
    async fn the_oldest_silent_connection_goes_first() {
        let connections = Connections::new(CONNECTIONS);
        let mut tasks = Vec::new();
        for _ in 0..CONNECTIONS {
            let place = connections.enter();
            let number = place.number();
            // The first and the third have sent a request.
            if matches!(number, 0 | 2) {
                place.mark_requested();
            }
            let task = tokio::spawn(async move {
                let _place = place;
                std::future::pending::<()>().await;
            });
            connections.set_task(number, &task);
            tasks.push(task);
        }
        let mut newcomers = Vec::new();
        for closed in (1..CONNECTIONS).filter(|number| *number != 2).chain([0, 2]) {
            let place = connections.enter();
            place.mark_requested();
            newcomers.push(place);
            assert!((&mut tasks[closed]).await.unwrap_err().is_cancelled(), "{closed}");
            assert_eq!(tasks.iter().filter(|task| task.is_finished()).count(), newcomers.len());
        }
        assert_eq!(connections.open.lock().unwrap().entries.len(), CONNECTIONS);
        newcomers.clear();
        assert_eq!(connections.open.lock().unwrap().entries.len(), 0);
    }
}
