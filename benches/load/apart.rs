//! What runs apart from the measurement: threads of their own, with all descriptors that the system allows.

use std::thread::{self, JoinHandle};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{sync::oneshot, task::LocalSet};

/// Raises the descriptor limit: attackers, upstream and honest client are all in this process.
pub fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
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
