//! A registered application, its authentication method and its credentials.

use std::{borrow::Borrow, fmt, num::NonZeroU32, sync::Arc};

use super::{
    auth_method::AuthMethod,
    credential::{
        CertificateMatch, Credential, CredentialView, Credentials, RegisteredCertificate, RegisteredKey,
        RegisteredRef, RegisteredSecret, RegisteredSubject,
    },
    refusals::RefusalRecord,
};
use crate::clock::Timestamp;

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
#[derive(Debug)]
pub struct Application {
    /// The OAuth client identifier.
    pub client_id: ClientId,
    /// The authentication method, with its credentials.
    pub method: Method,
    /// The certificate that it presents besides, so that its tokens are bound to it (RFC 8705 section 3).
    pub binding: Binding,
    /// The keys of its signed authorization requests (RFC 9101); `None` if it has not registered any.
    pub request_keys: Option<Box<Credentials<RegisteredKey>>>,
    /// What its authorization requests must satisfy.
    pub rules: RequestRules,
    /// The requests that it may send per second, if that is not the number of all applications.
    pub requests_per_second: Option<NonZeroU32>,
    /// Its refused requests, shared by all snapshots that contain it.
    pub refusals: Arc<RefusalRecord>,
}

impl PartialEq for Application {
    /// Compares the registration, not what has happened.
    fn eq(&self, other: &Self) -> bool {
        let Self { client_id, method, binding, request_keys, rules, requests_per_second, refusals: _ } = self;
        *client_id == other.client_id
            && *method == other.method
            && *binding == other.binding
            && *request_keys == other.request_keys
            && *rules == other.rules
            && *requests_per_second == other.requests_per_second
    }
}

impl Eq for Application {}

/// The authentication method of an application, with the credentials of that method, so that the two cannot disagree.
#[derive(Debug, PartialEq, Eq)]
pub enum Method {
    /// The client's certificate (RFC 8705 section 2).
    Tls(CertificateCredentials),
    /// A signed assertion (RFC 7523 section 2.2).
    PrivateKeyJwt(Keys),
    /// A shared secret (RFC 6749 section 2.3.1).
    ClientSecret {
        /// Where the request must carry it.
        transport: SecretTransport,
        /// The registered secrets; `None` if only the authorization server knows them.
        secrets: Option<Credentials<RegisteredSecret>>,
    },
    /// A public client, which does not authenticate.
    None,
}

/// Registered certificates, all of one kind.
#[derive(Debug, PartialEq, Eq)]
pub enum CertificateCredentials {
    /// `tls_client_auth` (RFC 8705 section 2.1): the certificate chains to a client CA and has the registered subject.
    Subjects(Credentials<RegisteredSubject>),
    /// `self_signed_tls_client_auth` (RFC 8705 section 2.2): the certificate itself is registered.
    Certificates(Credentials<RegisteredCertificate>),
}

/// The keys that verify an application's assertions.
#[derive(Debug, PartialEq, Eq)]
pub enum Keys {
    /// Registered one by one.
    Registered(Credentials<RegisteredKey>),
    /// Published by the application at its `jwks_uri` (RFC 7591 section 2).
    Published(PublishedKeys),
}

/// The keys of an application's `jwks_uri`, as they were fetched last.
#[derive(Debug, PartialEq, Eq)]
pub struct PublishedKeys {
    /// The URL, without a query.
    pub url: Box<str>,
    /// The keys, in the order of the set; `None` until it has been fetched.
    pub keys: Option<Box<[RegisteredKey]>>,
}

/// Where a request carries a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretTransport {
    /// In HTTP Basic.
    Basic,
    /// In the body, as `client_secret`.
    Post,
}

/// Whether an application presents a certificate besides its credential, so that its tokens are bound to it (RFC 8705 section 3).
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// None is required, and none is vouched for. A method of RFC 8705 binds by itself.
    #[default]
    None,
    /// Any certificate whose key the client possesses.
    AnyCertificate,
    /// One of these.
    Registered(Box<CertificateCredentials>),
}

/// What an application's authorization requests must satisfy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestRules {
    /// They must be signed (RFC 9101 section 10.5).
    pub require_signed_request: bool,
    /// They must be pushed (RFC 9126 section 6).
    pub require_pushed_request: bool,
    /// Parameters outside of a request object must not contradict it.
    pub strict_request_objects: bool,
}

/// What a credential is registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Authentication by the application's method: `[[application.credential]]`.
    Authentication,
    /// The certificate that tokens are bound to: `[[application.certificate]]`.
    Binding,
    /// Signed authorization requests: `[[application.request_key]]`.
    RequestKey,
}

impl Role {
    /// The word for it in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "credential",
            Self::Binding => "certificate",
            Self::RequestKey => "request key",
        }
    }

    /// The key of the table in which it is configured.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Authentication => "credential",
            Self::Binding => "certificate",
            Self::RequestKey => "request_key",
        }
    }
}

impl CertificateCredentials {
    fn get(&self, index: usize) -> Option<CredentialView<'_>> {
        match self {
            Self::Subjects(credentials) => credentials.get(index).map(Credential::view),
            Self::Certificates(credentials) => credentials.get(index).map(Credential::view),
        }
    }

    fn continue_usage(&mut self, before: &Self) {
        match (self, before) {
            (Self::Subjects(new), Self::Subjects(old)) => new.continue_usage(old, PartialEq::eq),
            (Self::Certificates(new), Self::Certificates(old)) => {
                new.continue_usage(old, |one, other| one.matches == other.matches);
            }
            (Self::Subjects(_) | Self::Certificates(_), _) => {}
        }
    }
}

impl Method {
    /// The method's name, without the credentials.
    #[must_use]
    pub const fn kind(&self) -> AuthMethod {
        match self {
            Self::Tls(CertificateCredentials::Subjects(_)) => AuthMethod::PkiTls,
            Self::Tls(CertificateCredentials::Certificates(_)) => AuthMethod::SelfSignedTls,
            Self::PrivateKeyJwt(_) => AuthMethod::PrivateKeyJwt,
            Self::ClientSecret { transport: SecretTransport::Basic, .. } => AuthMethod::ClientSecretBasic,
            Self::ClientSecret { transport: SecretTransport::Post, .. } => AuthMethod::ClientSecretPost,
            Self::None => AuthMethod::None,
        }
    }

    fn credential(&self, index: usize) -> Option<CredentialView<'_>> {
        match self {
            Self::Tls(credentials) => credentials.get(index),
            Self::PrivateKeyJwt(Keys::Registered(keys)) => keys.get(index).map(Credential::view),
            Self::ClientSecret { secrets: Some(secrets), .. } => secrets.get(index).map(Credential::view),
            Self::PrivateKeyJwt(Keys::Published(_))
            | Self::ClientSecret { secrets: None, .. }
            | Self::None => None,
        }
    }

    fn continue_usage(&mut self, before: &Self) {
        match (self, before) {
            (Self::Tls(new), Self::Tls(old)) => new.continue_usage(old),
            (Self::PrivateKeyJwt(Keys::Registered(new)), Self::PrivateKeyJwt(Keys::Registered(old))) => {
                new.continue_usage(old, PartialEq::eq);
            }
            (
                Self::ClientSecret { secrets: Some(new), .. },
                Self::ClientSecret { secrets: Some(old), .. },
            ) => new.continue_usage(old, PartialEq::eq),
            _ => {}
        }
    }
}

impl Application {
    /// The credential of its authentication method at this index, from 0.
    #[must_use]
    pub fn credential_at(&self, index: usize) -> Option<CredentialView<'_>> {
        self.method.credential(index)
    }

    /// The credentials of its authentication method, in registration order.
    pub fn credentials(&self) -> impl Iterator<Item = CredentialView<'_>> {
        (0..Credentials::<()>::MAX).filter_map(|index| self.credential_at(index))
    }

    /// Everything that it has registered: its credentials, the certificates of its binding, and its request keys.
    pub fn registrations(&self) -> impl Iterator<Item = (Role, CredentialView<'_>)> {
        let indices = || 0..Credentials::<()>::MAX;
        let bound = indices().filter_map(|index| match &self.binding {
            Binding::Registered(certificates) => certificates.get(index),
            Binding::None | Binding::AnyCertificate => None,
        });
        let request_keys = self.request_keys.iter().flat_map(|keys| keys.iter().map(Credential::view));
        self.credentials()
            .map(|credential| (Role::Authentication, credential))
            .chain(bound.map(|credential| (Role::Binding, credential)))
            .chain(request_keys.map(|credential| (Role::RequestKey, credential)))
    }

    /// The credential of its authentication method with this name.
    #[must_use]
    pub fn credential(&self, name: &str) -> Option<CredentialView<'_>> {
        self.credentials().find(|credential| credential.name == name)
    }

    /// When one of its credentials authenticated a request last, if that is known.
    #[must_use]
    pub fn last_used(&self) -> Option<Timestamp> {
        self.credentials().filter_map(|credential| credential.usage.last()).max()
    }

    /// Copies the refusals from the previous registration, and the last use of each credential that is the same.
    pub(super) fn continue_usage(&mut self, before: &Self) {
        self.refusals = Arc::clone(&before.refusals);
        self.method.continue_usage(&before.method);
        if let (Binding::Registered(new), Binding::Registered(old)) = (&mut self.binding, &before.binding) {
            new.continue_usage(old);
        }
        if let (Some(new), Some(old)) = (&mut self.request_keys, &before.request_keys) {
            new.continue_usage(old, PartialEq::eq);
        }
    }

    /// The subjects by which it authenticates, each with the index of its credential.
    pub fn subjects(&self) -> impl Iterator<Item = (usize, &RegisteredSubject)> {
        self.credentials().enumerate().filter_map(|(index, credential)| match credential.registered {
            RegisteredRef::Subject(subject) => Some((index, subject)),
            _ => None,
        })
    }

    /// The certificates by which it authenticates, each with the index of its credential.
    pub(super) fn certificates(&self) -> impl Iterator<Item = (usize, CertificateMatch)> {
        self.credentials().enumerate().filter_map(|(index, credential)| match credential.registered {
            RegisteredRef::Certificate(certificate) => Some((index, certificate.matches)),
            _ => None,
        })
    }
}
