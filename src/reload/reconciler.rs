//! One site of all sources' updates.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::Sender},
};

use crate::{
    observe::Reloads,
    site::{Changes, Site, SiteHandle},
    source::{Conflict, Merged, Publish, SourceName, Update},
};

/// Puts updates in force, one after the other, each whole or not at all.
#[derive(Debug)]
pub struct Reconciler {
    site: SiteHandle,
    reloads: Arc<Reloads>,
    /// Where former sites go.
    retired: Sender<Arc<Site>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    merged: Merged,
    /// Why sources cannot be read, of those that cannot.
    failures: BTreeMap<SourceName, String>,
}

impl Reconciler {
    /// One for the active site, which `source` has published.
    #[must_use]
    pub fn new(
        site: SiteHandle,
        source: SourceName,
        reloads: Arc<Reloads>,
        retired: Sender<Arc<Site>>,
    ) -> Self {
        let merged = Merged::new(source, site.load().trust.registry.clone());
        let state = Mutex::new(State { merged, failures: BTreeMap::new() });
        Self { site, reloads, retired, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each part is replaced whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an update of a source in force; every request from now on is judged by it.
    ///
    /// # Errors
    ///
    /// If it contradicts another source. Nothing has changed then.
    pub fn publish(&self, source: &SourceName, update: Update) -> Result<(), Conflict> {
        let mut state = self.state();
        if let Update::Failed(error) = update {
            let reason = error.to_string();
            let known = state.failures.insert(source.clone(), reason.clone());
            if known.as_ref() != Some(&reason) {
                tracing::error!(%source, reason, "source failed; keeping its last applications");
            }
            return Ok(());
        }
        let why = reason(source, &update);
        let current = self.site.load_full();
        let generation = current.generation.next();
        let configured = match &update {
            Update::Configuration(configuration) => Site::clone(&configuration.site),
            _ => Site::clone(&current),
        };
        let merged = state.merged.updated(source, update)?;
        let site = configured.with_registry(merged.registry().clone(), generation);
        let changes = Changes::between(&current, &site);
        drop(current);
        // Received until the edge stops; then it is dropped here.
        let _ = self.retired.send(self.site.swap(Arc::new(site)));
        state.merged = merged;
        state.failures.remove(source);
        self.reloads.succeeded(why.clone());
        tracing::info!(generation = generation.number(), why, changes = %changes, "reloaded");
        Ok(())
    }
}

/// Why the site changes, for the log and `/status`.
fn reason(source: &SourceName, update: &Update) -> String {
    match update {
        Update::Configuration(configuration) => configuration.why.clone(),
        Update::Snapshot(_) => format!("{source}: all applications"),
        Update::Changed(_) => format!("{source}: application changed"),
        Update::Removed(_) => format!("{source}: application removed"),
        Update::Failed(error) => error.to_string(),
    }
}

/// A source's way to the reconciler.
#[derive(Debug)]
pub(super) struct Publisher {
    reconciler: Arc<Reconciler>,
    source: SourceName,
}

impl Publisher {
    pub(super) fn new(reconciler: &Arc<Reconciler>, source: SourceName) -> Self {
        Self { reconciler: Arc::clone(reconciler), source }
    }
}

impl Publish for Publisher {
    fn publish(&self, update: Update) -> Result<(), Conflict> {
        self.reconciler.publish(&self.source, update)
    }
}
