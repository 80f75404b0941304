//! One site of all sources' updates.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::Sender},
};

use crate::{
    observe::Reloads,
    site::{Changes, Site, SiteHandle},
    source::{Conflict, Merged, Publish, SourceName, Update},
    trust::ClientId,
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
    /// The configuration, with the applications of its own source alone.
    configuration: Arc<Site>,
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
        let configuration = site.load_full();
        let merged = Merged::new(source, configuration.trust.registry.clone());
        let state = Mutex::new(State { merged, configuration, failures: BTreeMap::new() });
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
        let (why, client_id) = reason(source, &update);
        let configuration = match &update {
            Update::Configuration(new) => Arc::new(Site::clone(&new.site)),
            _ => Arc::clone(&state.configuration),
        };
        let merged = state.merged.updated(source, update)?;
        let current = self.site.load_full();
        let generation = current.generation.next();
        let site = configuration.with_registry(merged.registry().clone(), generation);
        let changes = match client_id {
            Some(id) => Changes::of_application(&id, &current.trust.registry, merged.registry()),
            None => Changes::between(&current, &site),
        };
        drop(current);
        // Received until the edge stops; then it is dropped here.
        let _ = self.retired.send(self.site.swap(Arc::new(site)));
        state.merged = merged;
        state.configuration = configuration;
        state.failures.remove(source);
        self.reloads.succeeded(why.clone());
        tracing::info!(generation = generation.number(), why, changes = %changes, "reloaded");
        Ok(())
    }
}

/// Why the site changes, for the log and `/status`, and the application that changes if it is one alone.
fn reason(source: &SourceName, update: &Update) -> (String, Option<ClientId>) {
    match update {
        Update::Configuration(configuration) => (configuration.why.clone(), None),
        Update::Snapshot(_) => (format!("{source}: all applications"), None),
        Update::Changed(application) => {
            (format!("{source}: application changed"), Some(application.client_id.clone()))
        }
        Update::Removed(client_id) => (format!("{source}: application removed"), Some(client_id.clone())),
        Update::Failed(error) => (error.to_string(), None),
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
