//! An application and the credentials that it may present.

use std::{borrow::Borrow, fmt, sync::Arc};

use super::Usage;
use crate::{
    config::settings::AuthMethod,
    identity::{ClientCertificate, DistinguishedName, SubjectAltName, Thumbprint, Validity},
};

/// An OAuth client identifier (RFC 6749 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Takes the identifier as it was received: identifiers are opaque and compared octet by octet.
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

/// An application and what it may authenticate with.
#[derive(Debug, PartialEq, Eq)]
pub struct Application {
    /// Its identifier.
    pub client_id: ClientId,
    /// The one method by which it may authenticate.
    pub method: AuthMethod,
    /// One or two.
    pub credentials: Box<[Credential]>,
}

impl Application {
    /// The credential of this name.
    #[must_use]
    pub fn credential(&self, name: &str) -> Option<&Credential> {
        self.credentials.iter().find(|credential| &*credential.name == name)
    }

    /// The credential of this name that matches the same.
    pub(super) fn same(&self, other: &Credential) -> Option<&Credential> {
        self.credential(&other.name).filter(|own| own.matcher == other.matcher)
    }
}

/// One credential of an application.
#[derive(Debug)]
pub struct Credential {
    /// The operator's name for it.
    pub name: Box<str>,
    /// What a certificate must be.
    pub matcher: CredentialMatcher,
    /// The certificate, where it is registered by its file.
    pub certificate: Option<Box<Certificate>>,
    /// Its last use.
    pub usage: Arc<Usage>,
}

impl PartialEq for Credential {
    /// Whether they are the same as registered, however they were used.
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.matcher, &self.certificate) == (&other.name, &other.matcher, &other.certificate)
    }
}

impl Eq for Credential {}

impl Credential {
    /// The end of its certificate, as far as the edge knows: of the one that is registered, else of the one that matched last.
    #[must_use]
    pub fn not_after(&self) -> Option<i64> {
        let registered = self.certificate.as_ref().map(|certificate| certificate.validity.not_after);
        registered.or_else(|| self.usage.not_after())
    }
}

/// What an operator wants to know of a registered certificate.
#[derive(Debug, PartialEq, Eq)]
pub struct Certificate {
    /// In RFC 4514 form.
    pub subject: Box<str>,
    /// When it is valid.
    pub validity: Validity,
}

/// What a certificate must be to match a credential.
#[derive(Debug, PartialEq, Eq)]
pub enum CredentialMatcher {
    /// RFC 8705 section 2.2: this very certificate.
    Thumbprint(Thumbprint),
    /// RFC 8705 section 2.1: a verified chain and this subject.
    Subject {
        /// The one registered subject.
        subject: Subject,
        /// SHA-256 of the public key of a CA that must stand on the verified path.
        pin: Option<Arc<[u8; 32]>>,
    },
}

impl CredentialMatcher {
    /// The key that registers it, and what stands there.
    #[must_use]
    pub fn written(&self) -> (&'static str, String) {
        match self {
            Self::Thumbprint(thumbprint) => ("thumbprint", thumbprint.to_string()),
            Self::Subject { subject: Subject::Dn(dn), .. } => ("subject_dn", dn.to_rfc4514()),
            Self::Subject { subject: Subject::San(san), .. } => match san {
                SubjectAltName::Dns(name) => ("san_dns", name.clone()),
                SubjectAltName::Uri(uri) => ("san_uri", uri.clone()),
                SubjectAltName::Ip(ip) => ("san_ip", ip.to_string()),
                SubjectAltName::Email(address) => ("san_email", address.clone()),
            },
        }
    }
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
    /// Whether the certificate bears this subject.
    #[must_use]
    pub fn matches(&self, certificate: &ClientCertificate) -> bool {
        match self {
            Self::Dn(dn) => dn.matches(certificate.subject()),
            Self::San(san) => certificate.sans().iter().any(|presented| san.matches(presented)),
        }
    }
}
