//! What runs apart from the measurement: threads of their own, with all descriptors that the system allows.

use std::thread::{self, JoinHandle};

use mtls_edge::net::descriptors;
use tokio::{sync::oneshot, task::LocalSet};

/// The most descriptors of this process: attackers, upstream and honest client are all in it.
const DESCRIPTORS: usize = 65_536;

/// Raises the limit of open files, and reserves their table: threads that share it would wait for each other whenever it grows.
pub fn raise_descriptors() {
    descriptors::reserve(descriptors::raise().min(DESCRIPTORS));
}

/// Runs this on its own thread until it ends or the sender is dropped.
pub fn thread(run: impl AsyncFnOnce() + Send + 'static) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let thread = thread::spawn(move || {
        LocalSet::new().block_on(&runtime(), async {
            tokio::select! {
                () = run() => {}
                _ = stopped => {}
            }
        });
    });
    (stop, thread)
}

/// A runtime of the current thread.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
