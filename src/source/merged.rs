//! The registries of several sources as one.
//!
//! No source has precedence. A client_id, a certificate or a subject that two sources register is a conflict, and the update
//! that would cause it is refused as a whole. So the order in which sources report does not matter for what is in force,
//! except that of two contradicting updates the first one is in force.

use std::collections::{BTreeMap, HashSet};

use super::{SourceName, Update};
use crate::trust::{Application, Change, ClientId, Registry, RegistryError};

/// An update that contradicts what is registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source \"{source_name}\" contradicts \"{other}\": {error}")]
pub struct Conflict {
    /// Whose update it was.
    pub source_name: SourceName,
    /// The source with which it conflicts; the same one if it contradicts itself.
    pub other: SourceName,
    /// What is registered twice.
    pub error: RegistryError,
}

/// What all sources register together.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// Of each source by itself. The applications are those of `all`.
    parts: BTreeMap<SourceName, Registry>,
    all: Registry,
}

impl Merged {
    /// What one source registers.
    #[must_use]
    pub fn new(source: SourceName, registry: Registry) -> Self {
        Self { parts: BTreeMap::from([(source, registry.clone())]), all: registry }
    }

    /// The applications of all sources.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.all
    }

    /// The same after this update of a source. A failed source keeps what it had last.
    ///
    /// A change of one application costs as much as that application; a configuration as much as all but the largest part.
    ///
    /// # Errors
    ///
    /// If two sources would register the same.
    pub fn updated(&self, source: &SourceName, update: Update) -> Result<Self, Conflict> {
        match update {
            Update::Configuration(configuration) => {
                self.with_registry(source, configuration.site.trust.registry.clone())
            }
            Update::Snapshot(applications) => self.with_snapshot(source, applications),
            Update::Changed(application) => self.with_changes(source, vec![Change::Put(*application)]),
            Update::Removed(client_id) => Ok(self.without(source, client_id)),
            Update::Failed(_) => Ok(self.clone()),
        }
    }

    fn with_registry(&self, source: &SourceName, registry: Registry) -> Result<Self, Conflict> {
        let mut parts = self.parts.clone();
        parts.insert(source.clone(), registry);
        let Some(largest) = parts.iter().max_by_key(|(_, part)| part.len()).map(|(name, _)| name.clone())
        else {
            return Ok(Self::default());
        };
        let mut all = parts.get(&largest).cloned().unwrap_or_default();
        for (name, part) in parts.iter().filter(|(name, _)| **name != largest) {
            for application in part.applications() {
                all.insert(application.clone()).map_err(|error| {
                    // Of two parts that contradict each other one is the new one.
                    let other = if name == source { owner(&parts, name, &error) } else { name.clone() };
                    Conflict { source_name: source.clone(), other, error }
                })?;
            }
        }
        Ok(Self { parts, all })
    }

    fn with_snapshot(&self, source: &SourceName, applications: Vec<Application>) -> Result<Self, Conflict> {
        let ids: HashSet<ClientId> = applications.iter().map(|one| one.client_id.clone()).collect();
        let part = self.parts.get(source).into_iter().flat_map(Registry::applications);
        let gone = part.map(|one| one.client_id.clone()).filter(|client_id| !ids.contains(client_id));
        let changes = gone.map(Change::Remove).chain(applications.into_iter().map(Change::Put)).collect();
        self.with_changes(source, changes)
    }

    /// Changes of different applications, as one.
    fn with_changes(&self, source: &SourceName, changes: Vec<Change>) -> Result<Self, Conflict> {
        let ids: Vec<ClientId> = changes.iter().map(|change| change.client_id().clone()).collect();
        for client_id in &ids {
            if let Some(other) = self.source_of(client_id).filter(|owner| *owner != source) {
                let error = RegistryError::DuplicateClientId(client_id.clone());
                return Err(Conflict { source_name: source.clone(), other: other.clone(), error });
            }
        }
        // The error names whose it is, unless it is its own.
        let conflict = |error: RegistryError| {
            let other = self.source_of(first(&error)).unwrap_or(source).clone();
            Conflict { source_name: source.clone(), other, error }
        };
        let mut next = self.clone();
        next.all.apply_all(changes).map_err(conflict)?;
        let part = next.parts.entry(source.clone()).or_default();
        // The part has the very same values as the whole.
        let removed = ids.iter().cloned().map(Change::Remove).collect();
        part.apply_all(removed).map_err(conflict)?;
        for application in ids.iter().filter_map(|client_id| next.all.application(client_id.as_str())) {
            part.insert(application.clone()).map_err(conflict)?;
        }
        Ok(next)
    }

    fn without(&self, source: &SourceName, client_id: ClientId) -> Self {
        let mut next = self.clone();
        // What another source registers is not this one's to remove.
        let Some(part) = next.parts.get_mut(source) else { return next };
        if part.application(client_id.as_str()).is_some() {
            // A removal meets nobody else's.
            let _ = part.apply(Change::Remove(client_id.clone()));
            let _ = next.all.apply(Change::Remove(client_id));
        }
        next
    }

    fn source_of(&self, client_id: &ClientId) -> Option<&SourceName> {
        self.parts
            .iter()
            .find(|(_, part)| part.application(client_id.as_str()).is_some())
            .map(|(name, _)| name)
    }
}

/// The application that has registered first what an error is about.
const fn first(error: &RegistryError) -> &ClientId {
    match error {
        RegistryError::DuplicateThumbprint { first, .. } => first,
        RegistryError::DuplicateSubject(equal) => &equal.first,
        RegistryError::DuplicateClientId(client_id) => client_id,
    }
}

/// The source, other than this one, of the application that has registered first.
fn owner(parts: &BTreeMap<SourceName, Registry>, source: &SourceName, error: &RegistryError) -> SourceName {
    let has_it = |part: &Registry| part.application(first(error).as_str()).is_some();
    let found = parts.iter().find(|(name, part)| *name != source && has_it(part));
    found.map_or_else(|| source.clone(), |(name, _)| name.clone())
}

#[cfg(test)]
mod tests;
