//! Changes the active site while the edge runs: merges the updates of all sources into one site, and swaps the pointer.
//!
//! A reload is all or nothing: an update that conflicts with another source changes nothing.

mod reconciler;
mod retired;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, mpsc::Sender},
    thread::JoinHandle,
};

pub use self::reconciler::Reconciler;
use self::{reconciler::Publisher, retired::Retirement};
use crate::{
    observe::Reloads,
    source::{
        Source, SourceName, Stop,
        files::{FileSource, InitialBuild, Trigger},
    },
};

struct Running {
    source: SourceName,
    stop: Stop,
    thread: JoinHandle<()>,
}

/// Runs each source on a thread of its own, until it is dropped.
pub struct Reloader {
    files: Sender<Trigger>,
    running: Vec<Running>,
    /// Dropped after the sources, whose replaced sites it drops.
    retirement: Retirement,
}

impl Reloader {
    /// Starts the files of `initial` as the first source, and these others. Changes of the files since the first build are
    /// active when it returns.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started, or two sources have the same name.
    pub fn start(
        initial: InitialBuild,
        reloads: Arc<Reloads>,
        others: Vec<Box<dyn Source>>,
    ) -> std::io::Result<Self> {
        let mut names = HashSet::from([FileSource::NAME.to_owned()]);
        if let Some(twice) = others.iter().find(|source| !names.insert(source.name().to_string())) {
            let what = format!("two sources have the name \"{}\"", twice.name());
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
        }
        let retirement = Retirement::start()?;
        let site = Arc::clone(&initial.site);
        let mut files = FileSource::new(initial, Arc::clone(&reloads));
        for name in &names {
            reloads.sources.add(name);
        }
        let mut reloader = Self { files: files.triggers(), running: Vec::new(), retirement };
        // Declared after the reloader, so dropped before it if a source cannot be started: the thread of retired sites, which the
        // reloader waits for, ends when the last reconciler is gone.
        let retired = reloader.retirement.sender();
        let reconciler = Arc::new(Reconciler::new(site, files.name(), reloads, retired));
        files.begin(&Publisher::new(&reconciler, files.name()));
        let sources = std::iter::once(Box::new(files) as Box<dyn Source>).chain(others);
        for source in sources {
            let (name, stop) = (source.name(), source.stop());
            let publisher = Publisher::new(&reconciler, name.clone());
            let thread = std::thread::Builder::new().name(format!("source {name}"));
            let run = move || {
                lower_priority();
                source.run(&publisher);
            };
            reloader.running.push(Running { source: name, stop, thread: thread.spawn(run)? });
        }
        Ok(reloader)
    }

    /// The channel for reasons to check the files.
    #[must_use]
    pub fn triggers(&self) -> Sender<Trigger> {
        self.files.clone()
    }

    /// A source that has ended by itself. An edge that does not notice changes must stop.
    #[must_use]
    pub fn ended(&self) -> Option<&SourceName> {
        self.running.iter().find(|running| running.thread.is_finished()).map(|running| &running.source)
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        let (stops, threads): (Vec<_>, Vec<_>) =
            self.running.drain(..).map(|Running { stop, thread, .. }| (stop, thread)).unzip();
        for stop in stops {
            stop();
        }
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("sources", &self.running.len()).finish_non_exhaustive()
    }
}

/// Gives this thread a lower priority than the workers, since a large registry takes a while to read. Not the lowest: a revocation
/// must be active soon under full load, too.
fn lower_priority() {
    /// A third of a worker's share.
    const NICE: i32 = 5;
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "cannot lower the priority of a source's thread");
    }
}
