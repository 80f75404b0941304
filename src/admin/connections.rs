//! The connections of the admin address: so many at once, and a place for a new one in any case.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::task::{AbortHandle, JoinHandle};

use super::CONNECTIONS;

/// Those that are open, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    task: Option<AbortHandle>,
    asked: Arc<AtomicBool>,
}

/// One connection's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    of: Connections,
    number: u64,
    asked: Arc<AtomicBool>,
}

impl Connections {
    /// A place for a new connection. Where all are taken, the oldest that has never sent a whole request is closed, or
    /// else the oldest: open connections can't keep a probe out.
    pub(super) fn enter(&self) -> Place {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while open.entries.len() >= CONNECTIONS {
            let is_silent = |entry: &Entry| !entry.asked.load(Ordering::Relaxed);
            let silent = open.entries.iter().find(|(_, entry)| is_silent(entry)).map(|(number, _)| *number);
            let Some(number) = silent.or_else(|| open.entries.keys().next().copied()) else { break };
            if let Some(Entry { task: Some(task), .. }) = open.entries.remove(&number) {
                task.abort();
            }
        }
        let number = open.next;
        open.next += 1;
        let asked = Arc::new(AtomicBool::new(false));
        open.entries.insert(number, Entry { task: None, asked: Arc::clone(&asked) });
        Place { of: self.clone(), number, asked }
    }

    /// Names the task that serves a connection, by which it can be closed.
    pub(super) fn serves(&self, number: u64, task: &JoinHandle<()>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = open.entries.get_mut(&number) {
            entry.task = Some(task.abort_handle());
        }
    }
}

impl Place {
    /// Of this place among all that there ever were.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Notes that a whole request came.
    pub(super) fn asks(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.entries.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_silent_connection_goes_first() {
        let connections = Connections::default();
        let mut tasks = Vec::new();
        for _ in 0..CONNECTIONS {
            let place = connections.enter();
            let number = place.number();
            // The first and the third have sent a request.
            if matches!(number, 0 | 2) {
                place.asks();
            }
            let task = tokio::spawn(async move {
                let _place = place;
                std::future::pending::<()>().await;
            });
            connections.serves(number, &task);
            tasks.push(task);
        }
        let mut newcomers = Vec::new();
        for closed in (1..CONNECTIONS).filter(|number| *number != 2).chain([0, 2]) {
            let place = connections.enter();
            place.asks();
            newcomers.push(place);
            assert!((&mut tasks[closed]).await.unwrap_err().is_cancelled(), "{closed}");
            assert_eq!(tasks.iter().filter(|task| task.is_finished()).count(), newcomers.len());
        }
        assert_eq!(connections.0.lock().unwrap().entries.len(), CONNECTIONS);
        newcomers.clear();
        assert_eq!(connections.0.lock().unwrap().entries.len(), 0);
    }
}
