//! Whom the edge believes: client CAs, CRLs and the registered applications, as one immutable value.

mod application;
mod credential;
mod registry;
mod shared_map;
mod spec;
mod subjects;
mod usage;

use std::{fmt, sync::Arc};

pub use application::{Application, ClientId, Method};
pub use credential::{
    CertificateFacts, Credential, CredentialView, Credentials, RegisteredCertificate, RegisteredSubject,
    Subject, Viewed,
};
pub use registry::{Change, Registry, RegistryError, RegistryVersion};
pub use spec::{ApplicationError, ApplicationSpec, AuthMethod, ClientIdError, CredentialSpec, Registered};
pub use subjects::EqualSubjects;
pub use usage::Usage;

use crate::identity::Authorities;

/// The number of a snapshot, rising with every reload, for the log and the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One generation of trust. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Trust {
    /// This snapshot's number, rising with every reload.
    pub generation: Generation,
    /// The client CAs and their CRLs.
    pub authorities: Arc<Authorities>,
    /// The applications.
    pub registry: Registry,
}
