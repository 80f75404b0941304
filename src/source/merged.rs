//! The registries of several sources as one.
//!
//! No source has precedence. A client_id, a certificate or a subject that two sources register is a conflict, and the update
//! that would cause it is rejected as a whole: of two conflicting updates the first one stays active.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use super::{SourceName, Update};
use crate::trust::{Application, ClientId, Registry, RegistryError};

/// An update that conflicts with what is registered.
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

/// The applications of all sources together.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// The applications of each source, which are the same values as in `all`.
    parts: BTreeMap<SourceName, Registry>,
    all: Registry,
}

impl Merged {
    /// The applications of one source.
    #[must_use]
    pub fn new(source: SourceName, registry: Registry) -> Self {
        Self { parts: BTreeMap::from([(source, registry.clone())]), all: registry }
    }

    /// The applications of all sources.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.all
    }

    /// The state after this update of a source. A failed source keeps its last applications.
    ///
    /// The new state shares with the previous one all that has not changed. A configuration or a snapshot is compared with what its
    /// source had; one changed application costs as much as that application.
    ///
    /// # Errors
    ///
    /// If two applications would have the same identifier or claim the same certificate.
    pub fn updated(&self, source: &SourceName, update: Update) -> Result<Self, Conflict> {
        match update {
            Update::Configuration(configuration) => {
                self.with_registry(source, &configuration.site.trust.registry)
            }
            Update::Snapshot(applications) => self.with_snapshot(source, applications),
            Update::Changed(application) => self.with_changes(source, &[], &[self.continued(*application)]),
            Update::Removed(client_id) => self.without(source, client_id),
            Update::Failed(_) => Ok(self.clone()),
        }
    }

    fn with_registry(&self, source: &SourceName, registry: &Registry) -> Result<Self, Conflict> {
        let previous = self.parts.get(source).cloned().unwrap_or_default();
        let (mut gone, mut put) = (Vec::new(), Vec::new());
        for difference in previous.differences(registry) {
            match difference {
                (Some(before), None) => gone.push(before.client_id.clone()),
                (_, after) => put.extend(after.cloned()),
            }
        }
        self.with_changes(source, &gone, &put)
    }

    fn with_snapshot(&self, source: &SourceName, applications: Vec<Application>) -> Result<Self, Conflict> {
        let mut ids = HashSet::new();
        let twice = applications.iter().find(|one| !ids.insert(one.client_id.clone()));
        if let Some(Application { client_id, .. }) = twice {
            let error = RegistryError::DuplicateClientId(client_id.clone());
            return Err(Conflict { source_name: source.clone(), other: source.clone(), error });
        }
        let part = self.parts.get(source).into_iter().flat_map(Registry::applications);
        let gone = part.map(|one| one.client_id.clone()).filter(|client_id| !ids.contains(client_id));
        let put: Vec<_> = applications.into_iter().map(|one| self.continued(one)).collect();
        self.with_changes(source, &gone.collect::<Vec<_>>(), &put)
    }

    fn without(&self, source: &SourceName, client_id: ClientId) -> Result<Self, Conflict> {
        if self.source_of(&client_id) == Some(source) {
            self.with_changes(source, &[client_id], &[])
        } else {
            // No source can remove an application of another one.
            Ok(self.clone())
        }
    }

    fn continued(&self, application: Application) -> Arc<Application> {
        let before = self.all.application(application.client_id.as_str());
        Registry::continued(application, before)
    }

    /// Removes and registers applications of a source, as one change.
    fn with_changes(
        &self,
        source: &SourceName,
        gone: &[ClientId],
        put: &[Arc<Application>],
    ) -> Result<Self, Conflict> {
        for client_id in put.iter().map(|application| &application.client_id) {
            if let Some(other) = self.source_of(client_id).filter(|owner| *owner != source) {
                let error = RegistryError::DuplicateClientId(client_id.clone());
                return Err(Conflict { source_name: source.clone(), other: other.clone(), error });
            }
        }
        let conflict = |error: RegistryError| {
            // An application that no source has registered yet is one of the same update.
            let other = self.source_of(first(&error)).unwrap_or(source).clone();
            Conflict { source_name: source.clone(), other, error }
        };
        let mut next = self.clone();
        next.all.replace(gone, put).map_err(conflict)?;
        let is_only_one = next.parts.keys().all(|name| name == source);
        let part = next.parts.entry(source.clone()).or_default();
        if is_only_one {
            // So the two share everything.
            part.clone_from(&next.all);
        } else {
            part.replace(gone, put).map_err(conflict)?;
        }
        Ok(next)
    }

    fn source_of(&self, client_id: &ClientId) -> Option<&SourceName> {
        self.parts
            .iter()
            .find(|(_, part)| part.application(client_id.as_str()).is_some())
            .map(|(name, _)| name)
    }
}

/// The application that was registered first of the two that conflict.
const fn first(error: &RegistryError) -> &ClientId {
    match error {
        RegistryError::DuplicateThumbprint { first, .. }
        | RegistryError::DuplicatePublicKey { first, .. } => first,
        RegistryError::DuplicateSubject(equal) => &equal.first,
        RegistryError::DuplicateClientId(client_id) => client_id,
    }
}

#[cfg(test)]
mod tests;
