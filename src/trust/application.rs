//! A registered application, its authentication method and its credentials.

use std::{borrow::Borrow, fmt, sync::Arc};

use super::{
    auth_method::AuthMethod,
    credential::{
        Credential, CredentialView, Credentials, RegisteredCertificate, RegisteredRef, RegisteredSubject,
    },
};

/// An OAuth client identifier (RFC 6749 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// An identifier as it was received. Identifiers are opaque and compared byte by byte.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ClientId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registered application. It is built from an [`ApplicationSpec`](super::ApplicationSpec), which validates it.
#[derive(Debug, PartialEq, Eq)]
pub struct Application {
    /// The OAuth client identifier.
    pub client_id: ClientId,
    /// The authentication method, with its credentials.
    pub method: Method,
}

/// The authentication method of an application, with the credentials of that method, so that the two cannot disagree.
#[derive(Debug, PartialEq, Eq)]
pub enum Method {
    /// `tls_client_auth` (RFC 8705 section 2.1): the certificate chains to a client CA and has the registered subject.
    PkiTls(Credentials<RegisteredSubject>),
    /// `self_signed_tls_client_auth` (RFC 8705 section 2.2): the certificate itself is registered.
    SelfSignedTls(Credentials<RegisteredCertificate>),
}

impl Method {
    /// The method's name, without the credentials.
    #[must_use]
    pub const fn kind(&self) -> AuthMethod {
        match self {
            Self::PkiTls(_) => AuthMethod::PkiTls,
            Self::SelfSignedTls(_) => AuthMethod::SelfSignedTls,
        }
    }
}

impl Application {
    /// The credential at this index, from 0.
    #[must_use]
    pub fn credential_at(&self, index: usize) -> Option<CredentialView<'_>> {
        match &self.method {
            Method::PkiTls(credentials) => credentials.get(index).map(Credential::view),
            Method::SelfSignedTls(credentials) => credentials.get(index).map(Credential::view),
        }
    }

    /// All credentials, in registration order.
    pub fn credentials(&self) -> impl Iterator<Item = CredentialView<'_>> {
        (0..Credentials::<()>::MAX).filter_map(|index| self.credential_at(index))
    }

    /// The credential with this name.
    #[must_use]
    pub fn credential(&self, name: &str) -> Option<CredentialView<'_>> {
        self.credentials().find(|credential| credential.name == name)
    }

    /// Copies the last use of each credential from the previous registration, if that contains the same credential.
    pub(super) fn continue_usage(&mut self, before: &Self) {
        match (&mut self.method, &before.method) {
            (Method::PkiTls(new), Method::PkiTls(old)) => new.continue_usage(old, PartialEq::eq),
            (Method::SelfSignedTls(new), Method::SelfSignedTls(old)) => {
                new.continue_usage(old, |one, other| one.thumbprint == other.thumbprint);
            }
            (Method::PkiTls(_) | Method::SelfSignedTls(_), _) => {}
        }
    }

    /// The registered subjects, each with the index of its credential.
    pub fn subjects(&self) -> impl Iterator<Item = (usize, &RegisteredSubject)> {
        self.credentials().enumerate().filter_map(|(index, credential)| match credential.registered {
            RegisteredRef::Subject(subject) => Some((index, subject)),
            RegisteredRef::Certificate(_) => None,
        })
    }

    /// The registered certificates, each with the index of its credential.
    pub(super) fn certificates(&self) -> impl Iterator<Item = (usize, &RegisteredCertificate)> {
        self.credentials().enumerate().filter_map(|(index, credential)| match credential.registered {
            RegisteredRef::Certificate(certificate) => Some((index, certificate)),
            RegisteredRef::Subject(_) => None,
        })
    }
}
