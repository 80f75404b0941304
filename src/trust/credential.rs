//! What a credential registers, and the one or two credentials of an application.

use std::sync::Arc;

use super::Usage;
use crate::{
    clock::Timestamp,
    identity::{ClientCertificate, DistinguishedName, SubjectAltName, Thumbprint, Validity},
};

/// One credential of an application, registered by a `T`.
#[derive(Debug)]
pub struct Credential<T> {
    /// The operator's name for it.
    pub name: Box<str>,
    /// What a client must present.
    pub registered: T,
    /// Its last use.
    pub usage: Arc<Usage>,
}

impl<T: PartialEq> PartialEq for Credential<T> {
    /// Whether they are registered alike, however they were used.
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.registered) == (&other.name, &other.registered)
    }
}

impl<T: Eq> Eq for Credential<T> {}

impl<'a, T> Credential<T>
where
    &'a T: Into<RegisteredRef<'a>> + 'a,
{
    /// The credential without its type.
    pub fn view(&'a self) -> CredentialView<'a> {
        CredentialView { name: &self.name, registered: (&self.registered).into(), usage: &self.usage }
    }
}

/// The credentials of an application: one, or two while it rotates them.
#[derive(Debug, PartialEq, Eq)]
pub struct Credentials<T> {
    first: Credential<T>,
    second: Option<Credential<T>>,
}

impl<T> Credentials<T> {
    /// The most that an application can hold.
    pub const MAX: usize = 2;

    /// Holds these credentials, whose names differ.
    pub(super) const fn new(first: Credential<T>, second: Option<Credential<T>>) -> Self {
        Self { first, second }
    }

    /// The credential of this position, from 0.
    #[must_use]
    pub const fn get(&self, index: usize) -> Option<&Credential<T>> {
        match index {
            0 => Some(&self.first),
            1 => self.second.as_ref(),
            _ => None,
        }
    }

    /// In the order in which they are registered.
    pub fn iter(&self) -> impl Iterator<Item = &Credential<T>> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// Takes the last use over from a former credential of the same name that a certificate matches alike.
    pub(super) fn continue_usage(&mut self, before: &Self, alike: impl Fn(&T, &T) -> bool) {
        for credential in std::iter::once(&mut self.first).chain(&mut self.second) {
            let same = |old: &&Credential<T>| {
                old.name == credential.name && alike(&old.registered, &credential.registered)
            };
            if let Some(same) = before.iter().find(same) {
                credential.usage = Arc::clone(&same.usage);
            }
        }
    }
}

/// A registered certificate (RFC 8705 section 2.2).
#[derive(Debug, PartialEq, Eq)]
pub struct RegisteredCertificate {
    /// SHA-256 of the certificate.
    pub thumbprint: Thumbprint,
    /// What an operator wants to know of it, where the certificate itself is registered and not its thumbprint alone.
    pub certificate: Option<Box<CertificateFacts>>,
}

impl From<Thumbprint> for RegisteredCertificate {
    fn from(thumbprint: Thumbprint) -> Self {
        Self { thumbprint, certificate: None }
    }
}

impl From<&ClientCertificate> for RegisteredCertificate {
    fn from(certificate: &ClientCertificate) -> Self {
        let subject = certificate.subject().to_rfc4514().into();
        let facts = CertificateFacts { subject, validity: certificate.validity() };
        Self { thumbprint: certificate.thumbprint(), certificate: Some(Box::new(facts)) }
    }
}

/// What an operator wants to know of a registered certificate.
#[derive(Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// In RFC 4514 form.
    pub subject: Box<str>,
    /// When it is valid.
    pub validity: Validity,
}

/// A registered subject (RFC 8705 section 2.1.2).
#[derive(Debug, PartialEq, Eq)]
pub struct RegisteredSubject {
    /// The one subject that the certificate must have.
    pub subject: Subject,
    /// SHA-256 of the public key of the CA that the verified path must contain; absent: any client CA.
    pub ca: Option<Arc<[u8; 32]>>,
}

/// The subject parameter of RFC 8705 section 2.1.2.
#[derive(Debug, PartialEq, Eq)]
pub enum Subject {
    /// `tls_client_auth_subject_dn`.
    Dn(DistinguishedName),
    /// `tls_client_auth_san_dns`, `_san_uri`, `_san_ip`, `_san_email`.
    San(SubjectAltName),
}

impl Subject {
    /// Whether the certificate has this subject.
    #[must_use]
    pub fn matches(&self, certificate: &ClientCertificate) -> bool {
        match self {
            Self::Dn(dn) => dn.matches(certificate.subject()),
            Self::San(san) => certificate.sans().iter().any(|presented| san.matches(presented)),
        }
    }

    /// The configuration key that registers it, and its text.
    #[must_use]
    pub fn written(&self) -> (&'static str, String) {
        match self {
            Self::Dn(dn) => ("subject_dn", dn.to_rfc4514()),
            Self::San(SubjectAltName::Dns(name)) => ("san_dns", name.clone()),
            Self::San(SubjectAltName::Uri(uri)) => ("san_uri", uri.clone()),
            Self::San(SubjectAltName::Ip(ip)) => ("san_ip", ip.to_string()),
            Self::San(SubjectAltName::Email(address)) => ("san_email", address.clone()),
        }
    }
}

/// A credential of any method, for those who list credentials.
#[derive(Clone, Copy, Debug)]
pub struct CredentialView<'a> {
    /// The operator's name for it.
    pub name: &'a str,
    /// What a client must present.
    pub registered: RegisteredRef<'a>,
    /// Its last use.
    pub usage: &'a Arc<Usage>,
}

/// What a credential of any method registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisteredRef<'a> {
    /// For `tls_client_auth`.
    Subject(&'a RegisteredSubject),
    /// For `self_signed_tls_client_auth`.
    Certificate(&'a RegisteredCertificate),
}

impl<'a> From<&'a RegisteredSubject> for RegisteredRef<'a> {
    fn from(subject: &'a RegisteredSubject) -> Self {
        Self::Subject(subject)
    }
}

impl<'a> From<&'a RegisteredCertificate> for RegisteredRef<'a> {
    fn from(certificate: &'a RegisteredCertificate) -> Self {
        Self::Certificate(certificate)
    }
}

impl<'a> CredentialView<'a> {
    /// Whether the same certificates match both.
    #[must_use]
    pub fn matches_like(&self, other: &Self) -> bool {
        match (self.registered, other.registered) {
            (RegisteredRef::Certificate(one), RegisteredRef::Certificate(other)) => {
                one.thumbprint == other.thumbprint
            }
            (one, other) => one == other,
        }
    }

    /// What is known of the registered certificate.
    #[must_use]
    pub fn certificate(&self) -> Option<&'a CertificateFacts> {
        match self.registered {
            RegisteredRef::Certificate(certificate) => certificate.certificate.as_deref(),
            RegisteredRef::Subject(_) => None,
        }
    }

    /// The end of its certificate's validity, in seconds since 1970, as far as it is known: of the registered one, else of the
    /// one that matched last.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        let registered = self.certificate().map(|certificate| certificate.validity.not_after);
        registered.or_else(|| self.usage.not_after())
    }
}
