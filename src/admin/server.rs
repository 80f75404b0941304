//! The thread that serves an address.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
};

use tokio::sync::oneshot;

use super::{Paths, State, serve::serve};
use crate::confine::confine_thread;

/// Serves an address on its own thread, so that it responds even if all workers are busy.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the system allows no further thread or event queue.
    pub fn start(listener: TcpListener, paths: Paths, state: Arc<State>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let name = if paths == Paths::Health { "health" } else { "admin" };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Err(error) = confine_thread() {
                tracing::warn!(%error, "the {name} thread is not confined");
            }
            runtime.block_on(async {
                tokio::select! {
                    result = serve(listener, paths, state) => {
                        if let Err(error) = result {
                            tracing::error!(%error, "the {name} listener failed");
                        }
                    }
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop, thread })
    }

    /// The bound address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the address and its connections.
    pub fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}
