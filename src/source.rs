//! Sources of registered applications. A [`Source`] publishes its applications and every change of them; [`Merged`] makes one
//! registry of all sources, whole or not at all.

pub mod crl;
mod debounce;
mod fetched;
pub mod files;
pub mod key_sets;
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

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A change that a source publishes.
#[derive(Debug)]
pub enum Update {
    /// A whole configuration with its applications. Only the files publish it.
    Configuration(Configuration),
    /// All applications of the source. Those that it had before and are not among them are removed.
    Snapshot(Vec<Application>),
    /// One application is new, or registered differently.
    Changed(Box<Application>),
    /// One application is removed.
    Removed(ClientId),
    /// The source cannot be read. What it had last stays registered.
    Failed(SourceError),
}

/// Everything that the edge is configured with. Only the files can make one.
#[derive(Debug)]
pub struct Configuration {
    /// A site with the applications of the files alone.
    pub(crate) site: Box<Site>,
    /// The reason for the change, for the log and `/status`.
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

/// Stops [`Source::run`] from another thread.
pub type Stop = Box<dyn FnOnce() + Send>;

/// A source of registered applications: files, a registration API, a database.
pub trait Source: Send {
    /// Its name, which no other source has.
    fn name(&self) -> SourceName;

    /// Returns what makes [`Source::run`] return soon.
    fn stop(&self) -> Stop;

    /// Publishes the applications that it has, and every later change, until it is stopped. Runs on a thread of its own. If it returns
    /// before, the edge stops, since it would not notice changes.
    fn run(self: Box<Self>, publisher: &dyn Publish);
}

/// Takes the updates of one source.
pub trait Publish {
    /// Activates an update, for the next request on every connection, before it returns.
    ///
    /// # Errors
    ///
    /// If it conflicts with another source. Nothing has changed then.
    fn publish(&self, update: Update) -> Result<(), Conflict>;
}
