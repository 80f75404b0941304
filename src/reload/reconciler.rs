//! Makes one site of the updates of all sources.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::Sender};

use crate::{
    observe::Reloads,
    site::{Changes, Site, SiteHandle},
    source::{Conflict, Merged, Publish, SourceName, Update},
};

/// Activates updates one after the other, each whole or not at all.
#[derive(Debug)]
pub struct Reconciler {
    site: SiteHandle,
    reloads: Arc<Reloads>,
    /// Takes replaced sites, to drop them.
    retired: Sender<Arc<Site>>,
    merged: Mutex<Merged>,
}

impl Reconciler {
    /// A reconciler for the active site, which `source` has published.
    #[must_use]
    pub fn new(
        site: SiteHandle,
        source: SourceName,
        reloads: Arc<Reloads>,
        retired: Sender<Arc<Site>>,
    ) -> Self {
        let merged = Merged::new(source, site.load().trust.registry.clone());
        Self { site, reloads, retired, merged: Mutex::new(merged) }
    }

    fn lock(&self) -> MutexGuard<'_, Merged> {
        // It is replaced whole, after everything that can panic.
        self.merged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Activates an update of a source: every request from now on is judged by it. An update that changes no application makes no new
    /// site; a configuration always does.
    ///
    /// # Errors
    ///
    /// If it conflicts with another source. Nothing has changed then, and unless it is a configuration, whose source reports it, it is
    /// logged and shown as a failure of the source.
    pub fn publish(&self, source: &SourceName, update: Update) -> Result<(), Conflict> {
        let mut active = self.lock();
        if let Update::Failed(error) = update {
            let reason = error.to_string();
            if self.reloads.sources.failed(source.as_str(), &reason) {
                tracing::error!(%source, reason, "source failed; keeping its last applications");
            }
            return Ok(());
        }
        let why = reason(source, &update);
        let current = self.site.load_full();
        let generation = current.generation.next();
        let configured = match &update {
            Update::Configuration(configuration) => Some(Site::clone(&configuration.site)),
            _ => None,
        };
        let merged = match active.updated(source, update) {
            Ok(merged) => merged,
            Err(conflict) => {
                if configured.is_none() {
                    self.rejected(source, &conflict);
                }
                return Err(conflict);
            }
        };
        self.reloads.sources.succeeded(source.as_str());
        if configured.is_none() && merged.registry().version() == active.registry().version() {
            return Ok(());
        }
        if configured.is_some() {
            self.reloads.recovered();
        }
        let configured = configured.unwrap_or_else(|| Site::clone(&current));
        let site = configured.with_registry(merged.registry().clone(), generation);
        let changes = Changes::between(&current, &site);
        drop(current);
        // Received until the edge stops; then it is dropped here.
        let _ = self.retired.send(self.site.swap(Arc::new(site)));
        *active = merged;
        self.reloads.succeeded(why.clone());
        tracing::info!(generation = generation.number(), why, changes = %changes, "reloaded");
        Ok(())
    }

    fn rejected(&self, source: &SourceName, conflict: &Conflict) {
        let reason = conflict.to_string();
        if self.reloads.sources.failed(source.as_str(), &reason) {
            tracing::warn!(%source, reason, "update rejected; keeping the source's last applications");
        }
    }
}

/// The reason for a change of the site, for the log and `/status`.
fn reason(source: &SourceName, update: &Update) -> String {
    match update {
        Update::Configuration(configuration) => configuration.why.clone(),
        Update::Snapshot(_) => format!("{source}: all applications"),
        Update::Changed(_) => format!("{source}: application changed"),
        Update::Removed(_) => format!("{source}: application removed"),
        Update::Failed(error) => error.to_string(),
    }
}

/// Publishes the updates of one source to the reconciler.
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
