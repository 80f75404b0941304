//! Whom the edge believes: client CAs, CRLs and the registered applications, as one immutable value.

mod application;
mod credential;
mod registry;
mod shared_map;
mod spec;
mod subjects;
mod usage;

use std::sync::Arc;

pub use application::{Application, ClientId, Method};
pub use credential::{
    CertificateFacts, Credential, CredentialView, Credentials, RegisteredCertificate, RegisteredRef,
    RegisteredSubject, Subject,
};
pub use registry::{Change, Registry, RegistryError, RegistryVersion};
pub use spec::{ApplicationError, ApplicationSpec, AuthMethod, ClientIdError, CredentialSpec, Registered};
pub use subjects::DuplicateSubject;
pub use usage::Usage;

use crate::identity::Authorities;

/// One state of trust. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The client CAs and their CRLs.
    pub authorities: Arc<Authorities>,
    /// The applications.
    pub registry: Registry,
}
