//! Servers for callers without a runtime, such as benches.

use std::{sync::mpsc, thread};

/// Starts a server on a thread with a runtime of its own, which runs until the process ends.
pub fn background<T, F>(name: &str, start: impl FnOnce() -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (sender, started) = mpsc::sync_channel(1);
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(start().await).unwrap();
            std::future::pending::<()>().await;
        });
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).unwrap();
    started.recv().unwrap()
}
