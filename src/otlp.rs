//! Exports spans to a collector by OTLP over HTTP, on a thread of its own.

mod counts;
mod export;
mod message;
mod response;

use std::{
    io,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::{runtime::LocalOptions, sync::watch};

pub use counts::Counts;

use self::export::Export;
use crate::{confine::confine_thread, site::SiteHandle, trace::Queue};

/// The longest time that the spans of the last requests may take, when the edge ends.
const LAST: Duration = Duration::from_secs(5);

/// Exports the spans of a queue until it is stopped.
#[derive(Debug)]
pub struct Exporter {
    /// The time until which the last spans may be sent, once the edge ends.
    stop: watch::Sender<Option<Instant>>,
    thread: JoinHandle<()>,
}

impl Exporter {
    /// Starts the thread. The current site says where spans go.
    ///
    /// # Errors
    ///
    /// If the system allows no further thread or event queue.
    pub fn start(site: SiteHandle, queue: Arc<Queue>, counts: Arc<Counts>) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(None);
        let thread = std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
            // It parses what a collector sends. The workers log what the kernel lacks.
            if let Err(error) = confine_thread() {
                tracing::warn!(%error, "the thread that exports traces is not confined");
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(1)
                .build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => {
                    runtime.block_on(async { Export::new(site, queue, counts, stopped).run().await });
                    // The end of the edge must not wait for a resolver that does not answer.
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!(%error, "cannot export traces"),
            }
        })?;
        Ok(Self { stop, thread })
    }

    /// Sends what the queue has, until this time at the latest, and ends.
    pub fn stop(self, until: Instant) {
        self.stop.send_replace(Some(until.min(Instant::now() + LAST)));
        let _ = self.thread.join();
    }
}
