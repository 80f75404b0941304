//! Where registered applications come from. A [`Source`] publishes what it has and every change of it; [`Merged`] makes one
//! registry of all sources, whole or not at all.

pub mod crl;
mod debounce;
mod fetched;
pub mod files;
mod merged;

use std::{fmt, sync::Arc};

pub use self::merged::{Conflict, Merged};
use crate::{
    site::Site,
    trust::{Application, ApplicationError, ApplicationSpec, ClientId},
};

/// Names a source in log lines and errors: `files`, for instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(Arc<str>);

impl SourceName {
    /// A name for the operator; each source has its own.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// News of a source.
#[derive(Debug)]
pub enum Update {
    /// A whole configuration with its applications: the files have it, and nobody else.
    Configuration(Configuration),
    /// All applications of the source. What it had before and is not among them is no longer registered.
    Snapshot(Vec<Application>),
    /// One application is new, or registered differently.
    Changed(Box<Application>),
    /// One application is no longer registered.
    Removed(ClientId),
    /// The source cannot be read. What it had last stays registered.
    Failed(SourceError),
}

/// Everything that the edge is configured with. Only the files can make one.
#[derive(Debug)]
pub struct Configuration {
    /// With the applications of the files alone.
    pub(crate) site: Box<Site>,
    /// What has changed, for the log and `/status`.
    pub(crate) why: String,
}

impl Update {
    /// [`Update::Changed`] of plain data.
    ///
    /// # Errors
    ///
    /// If the data is not a valid registration.
    pub fn changed(spec: ApplicationSpec) -> Result<Self, ApplicationError> {
        Application::try_from(spec).map(|application| Self::Changed(Box::new(application)))
    }
}

/// Why a source cannot be read: a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Makes [`Source::run`] return soon; called from another thread.
pub type Stop = Box<dyn FnOnce() + Send>;

/// A place from which the edge learns which applications are registered: files, a registration API, a database.
pub trait Source: Send {
    /// Its name, which no other source has.
    fn name(&self) -> SourceName;

    /// Ends [`Source::run`].
    fn stop(&self) -> Stop;

    /// Publishes what it has now, and whatever changes from then on, until it is stopped. Runs on a thread of its own; an edge
    /// whose source returns by itself stops, since it would not notice changes.
    fn run(self: Box<Self>, publisher: &dyn Publish);
}

/// Takes the updates of one source.
pub trait Publish {
    /// Puts an update in force, for the next request on every connection; returns when that is done.
    ///
    /// # Errors
    ///
    /// If it contradicts another source. Nothing has changed then.
    fn publish(&self, update: Update) -> Result<(), Conflict>;
}
