//! What clients are authenticated against: client CAs, CRLs and the registered applications, as one immutable value.

mod application;
mod auth_method;
mod credential;
mod error;
mod issuer;
mod refusals;
mod registry;
mod shared_map;
mod spec;
mod subjects;
mod usage;

use std::{path::PathBuf, sync::Arc};

pub use application::{
    Application, Binding, CertificateCredentials, ClientId, Keys, Method, PublishedKeys, RequestRules, Role,
    SecretTransport,
};
pub use auth_method::AuthMethod;
pub use credential::{
    CertificateFacts, CertificateMatch, Credential, CredentialView, Credentials, RegisteredCertificate,
    RegisteredKey, RegisteredRef, RegisteredSecret, RegisteredSubject, Subject,
};
pub use error::{ApplicationError, ClientIdError, CredentialFault};
pub use issuer::Issuer;
pub use refusals::{RefusalRecord, Refusals};
pub use registry::{Change, Registry, RegistryError, RegistryVersion};
pub use spec::{ApplicationSpec, CredentialSpec, Registered};
pub use subjects::DuplicateSubject;
pub use usage::{Usage, known_ends};

use crate::identity::Authorities;

/// One snapshot of everything that clients are authenticated against. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The client CAs and their CRLs, for chain verification.
    pub authorities: Arc<Authorities>,
    /// The file of each CRL, by its index.
    pub crl_files: Arc<[PathBuf]>,
    /// The URLs of CRLs that are still to be fetched, without which certificates are judged.
    pub missing_crls: Arc<[Box<str>]>,
    /// The registered applications.
    pub registry: Registry,
    /// How requests of other applications are treated.
    pub unknown_applications: UnknownApplications,
}

/// How a request of an application that is not registered is treated, where the request's application must authenticate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownApplications {
    /// It is refused.
    #[default]
    Refuse,
    /// It is forwarded without client headers: the authorization server authenticates it.
    Forward,
}
