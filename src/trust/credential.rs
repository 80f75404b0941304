//! Credentials: what an application registers about its certificates, keys and secrets.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Usage;
use crate::{
    clock::Timestamp,
    identity::{ClientCertificate, DistinguishedName, SubjectAltName, Thumbprint, Validity},
    jose::VerifyingKey,
};

/// One credential of an application. `T` is what the presented one is compared with.
#[derive(Debug)]
pub struct Credential<T> {
    /// The operator's name for it.
    pub name: Box<str>,
    /// What the presented one is compared with.
    pub registered: T,
    /// The second from which on it is refused, if the operator set one.
    pub expires_at: Option<Timestamp>,
    /// The last use, shared by all snapshots that contain this credential.
    pub usage: Arc<Usage>,
}

impl<T: PartialEq> PartialEq for Credential<T> {
    /// Compares the registration, not the last use.
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.registered, self.expires_at) == (&other.name, &other.registered, other.expires_at)
    }
}

impl<T: Eq> Eq for Credential<T> {}

impl<'a, T> Credential<T>
where
    &'a T: Into<RegisteredRef<'a>> + 'a,
{
    /// The credential, independent of its method.
    pub fn view(&'a self) -> CredentialView<'a> {
        let Self { name, registered, expires_at, usage } = self;
        CredentialView { name, registered: registered.into(), expires_at: *expires_at, usage }
    }
}

impl<T> Credential<T> {
    /// Whether it is refused at `now` because of its `expires_at`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// The credentials of an application: one, or two during a rotation.
#[derive(Debug, PartialEq, Eq)]
pub struct Credentials<T> {
    first: Credential<T>,
    second: Option<Credential<T>>,
}

impl<T> Credentials<T> {
    /// The maximum number of credentials per application.
    pub const MAX: usize = 2;

    /// Callers ensure that the names differ.
    pub(super) const fn new(first: Credential<T>, second: Option<Credential<T>>) -> Self {
        Self { first, second }
    }

    /// The credential at this index, from 0.
    #[must_use]
    pub const fn get(&self, index: usize) -> Option<&Credential<T>> {
        match index {
            0 => Some(&self.first),
            1 => self.second.as_ref(),
            _ => None,
        }
    }

    /// All credentials, in registration order.
    pub fn iter(&self) -> impl Iterator<Item = &Credential<T>> + Clone {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// Copies the last use from each previous credential that has the same name and is `alike`.
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
    /// Which certificates it matches.
    pub matches: CertificateMatch,
    /// For reports; `None` unless the certificate itself is registered.
    pub certificate: Option<Box<CertificateFacts>>,
}

/// Which certificates a [`RegisteredCertificate`] matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateMatch {
    /// The one with this SHA-256 thumbprint.
    Thumbprint(Thumbprint),
    /// Every certificate of the key whose SubjectPublicKeyInfo has this SHA-256 hash.
    PublicKey([u8; 32]),
}

impl CertificateMatch {
    /// Whether this certificate is the registered one, or has the registered key.
    #[must_use]
    pub fn matches(&self, certificate: &ClientCertificate) -> bool {
        match self {
            Self::Thumbprint(thumbprint) => *thumbprint == certificate.thumbprint(),
            Self::PublicKey(hash) => *hash == certificate.spki_sha256(),
        }
    }
}

impl From<Thumbprint> for RegisteredCertificate {
    fn from(thumbprint: Thumbprint) -> Self {
        Self { matches: CertificateMatch::Thumbprint(thumbprint), certificate: None }
    }
}

impl From<&ClientCertificate> for RegisteredCertificate {
    fn from(certificate: &ClientCertificate) -> Self {
        let subject = certificate.subject().to_rfc4514().into();
        let facts = CertificateFacts { subject, validity: certificate.validity() };
        let matches = CertificateMatch::Thumbprint(certificate.thumbprint());
        Self { matches, certificate: Some(Box::new(facts)) }
    }
}

/// A registered public key, for assertions (RFC 7523) or request objects (RFC 9101).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredKey {
    /// The key, with its algorithm and `kid`. Boxed, so that applications without keys stay small.
    pub key: Box<VerifyingKey>,
}

/// A registered secret (RFC 6749 section 2.3.1). It is not kept itself.
#[derive(PartialEq, Eq)]
pub struct RegisteredSecret {
    /// SHA-256 of the secret's bytes.
    pub sha256: [u8; 32],
}

impl std::fmt::Debug for RegisteredSecret {
    /// Does not show the hash, from which a weak secret could be guessed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegisteredSecret")
    }
}

/// Facts about a registered certificate, for reports.
#[derive(Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The subject in RFC 4514 form.
    pub subject: Box<str>,
    /// The validity period.
    pub validity: Validity,
}

/// A registered subject (RFC 8705 section 2.1.2).
#[derive(Debug, PartialEq, Eq)]
pub struct RegisteredSubject {
    /// The subject that the certificate must have.
    pub subject: Subject,
    /// SHA-256 of the SubjectPublicKeyInfo of the pinned CA, which the verified path must contain; `None` accepts any client CA.
    pub ca: Option<Arc<[u8; 32]>>,
}

/// The subject that a certificate must have: one of the parameters of RFC 8705 section 2.1.2.
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

    /// The configuration key that registers it, and the value to write there.
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

/// A credential of any method, for code that lists credentials.
#[derive(Clone, Copy, Debug)]
pub struct CredentialView<'a> {
    /// The operator's name for it.
    pub name: &'a str,
    /// What the presented one is compared with.
    pub registered: RegisteredRef<'a>,
    /// The second from which on it is refused, if the operator set one.
    pub expires_at: Option<Timestamp>,
    /// The last use, shared by all snapshots that contain this credential.
    pub usage: &'a Arc<Usage>,
}

/// A reference to what a credential of any method registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisteredRef<'a> {
    /// For `tls_client_auth`.
    Subject(&'a RegisteredSubject),
    /// For `self_signed_tls_client_auth`.
    Certificate(&'a RegisteredCertificate),
    /// For `private_key_jwt`, and for signed authorization requests.
    Key(&'a RegisteredKey),
    /// For `client_secret_basic` and `client_secret_post`.
    Secret(&'a RegisteredSecret),
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

impl<'a> From<&'a RegisteredKey> for RegisteredRef<'a> {
    fn from(key: &'a RegisteredKey) -> Self {
        Self::Key(key)
    }
}

impl<'a> From<&'a RegisteredSecret> for RegisteredRef<'a> {
    fn from(secret: &'a RegisteredSecret) -> Self {
        Self::Secret(secret)
    }
}

impl<'a> CredentialView<'a> {
    /// Whether exactly the same presented certificates, signatures or secrets match both credentials, for as long.
    #[must_use]
    pub fn matches_the_same(&self, other: &Self) -> bool {
        let same = match (self.registered, other.registered) {
            (RegisteredRef::Certificate(one), RegisteredRef::Certificate(other)) => {
                one.matches == other.matches
            }
            (one, other) => one == other,
        };
        same && self.expires_at == other.expires_at
    }

    /// SHA-256 of what the presented one is compared with: two credentials that match others have other digests.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        };
        match self.registered {
            RegisteredRef::Subject(RegisteredSubject { subject, ca }) => {
                let (key, value) = subject.written();
                add(key.as_bytes());
                add(value.as_bytes());
                add(ca.as_deref().map_or(&[], |ca| ca));
            }
            RegisteredRef::Certificate(certificate) => match &certificate.matches {
                CertificateMatch::Thumbprint(thumbprint) => {
                    add(b"thumbprint");
                    add(thumbprint.as_bytes());
                }
                CertificateMatch::PublicKey(spki) => {
                    add(b"public_key");
                    add(spki);
                }
            },
            RegisteredRef::Key(RegisteredKey { key }) => {
                add(key.algorithm().as_str().as_bytes());
                add(key.thumbprint().as_bytes());
                add(key.kid().unwrap_or_default().as_bytes());
            }
            RegisteredRef::Secret(RegisteredSecret { sha256 }) => add(sha256),
        }
        hash.finalize().into()
    }

    /// Facts about the registered certificate, if they are known.
    #[must_use]
    pub fn certificate(&self) -> Option<&'a CertificateFacts> {
        match self.registered {
            RegisteredRef::Certificate(certificate) => certificate.certificate.as_deref(),
            RegisteredRef::Subject(_) | RegisteredRef::Key(_) | RegisteredRef::Secret(_) => None,
        }
    }

    /// When its certificate expires, if known: the registered certificate, or else the one that matched last.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        let registered = self.certificate().map(|certificate| certificate.validity.not_after);
        registered.or_else(|| self.usage.not_after())
    }

    /// When it expires, if known: at its `expires_at`, or with its certificate if that is earlier.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        [self.expires_at, self.not_after()].into_iter().flatten().min()
    }

    /// As [`CredentialView::ends`], of what is registered: not of one of several certificates that match.
    #[must_use]
    pub fn registered_end(&self) -> Option<Timestamp> {
        let has_one = match self.registered {
            RegisteredRef::Certificate(certificate) => {
                matches!(certificate.matches, CertificateMatch::Thumbprint(_))
            }
            RegisteredRef::Subject(_) | RegisteredRef::Key(_) | RegisteredRef::Secret(_) => false,
        };
        if has_one { self.ends() } else { self.expires_at }
    }

    /// Whether nothing authenticates by it at `now`, as far as is known.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now) || self.not_after().is_some_and(|end| end < now)
    }
}
