//! Drops replaced sites on a thread of its own, once no request uses them: dropping the registry of 100,000 applications takes
//! tens of milliseconds, for which the requests of a worker would wait.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::site::Site;

/// How often it is checked whether replaced sites are still used.
const CHECK: Duration = Duration::from_millis(200);

/// The thread. It ends when every sender is gone.
#[derive(Debug)]
pub(super) struct Retirement {
    sender: Option<Sender<Arc<Site>>>,
    thread: Option<JoinHandle<()>>,
}

impl Retirement {
    /// Starts the thread.
    pub(super) fn start() -> std::io::Result<Self> {
        let (sender, former) = channel();
        let thread = std::thread::Builder::new().name("retired sites".to_owned()).spawn(move || {
            super::lower_priority();
            Retired::default().run(&former);
        })?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Takes sites that are no longer reachable through the pointer to the active one.
    pub(super) fn sender(&self) -> Sender<Arc<Site>> {
        self.sender.clone().unwrap_or_else(|| channel().0)
    }
}

impl Drop for Retirement {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Values that were replaced.
#[derive(Debug)]
struct Retired<T>(Vec<Arc<T>>);

impl<T> Default for Retired<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Retired<T> {
    fn run(mut self, former: &Receiver<Arc<T>>) {
        loop {
            let next = if self.0.is_empty() {
                former.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                former.recv_timeout(CHECK)
            };
            match next {
                Ok(value) => self.0.push(value),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.sweep();
        }
    }

    /// Drops those that are used nowhere else.
    fn sweep(&mut self) {
        // No new reference can be made, so a count of one stays one.
        self.0.retain(|former| Arc::strong_count(former) > 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;

    #[test]
    fn retired_values_are_dropped_when_unused() {
        let mut retired = Retired::default();
        let (site, used) = (Arc::new(()), Arc::new(()));
        let dropped = [Arc::downgrade(&site), Arc::downgrade(&used)];
        retired.0.extend([site, Arc::clone(&used)]);
        retired.sweep();
        assert_eq!(dropped.each_ref().map(Weak::strong_count), [0, 2]);
        drop(used);
        assert_eq!(dropped[1].strong_count(), 1, "the last user does not drop it");
        retired.sweep();
        assert!(retired.0.is_empty());
        assert_eq!(dropped[1].strong_count(), 0);
    }
}
