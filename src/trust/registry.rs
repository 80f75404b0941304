//! The registered applications and the credentials that each may present.

use std::{
    borrow::Borrow,
    collections::{HashMap, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    sync::Arc,
};

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
    /// Whether one certificate can have both subjects in one name, issued by a CA that both accept.
    fn can_meet(&self, other: &Self) -> bool {
        let (Self::Subject { subject, pin }, Self::Subject { subject: other, pin: other_pin }) =
            (self, other)
        else {
            return false;
        };
        let pins_meet = match (pin, other_pin) {
            (Some(pin), Some(other)) => pin == other,
            _ => true,
        };
        pins_meet && subject.is_same(other)
    }

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
    /// Whether they are one name.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dn(dn), Self::Dn(other)) => dn == other,
            (Self::San(san), Self::San(other)) => san.matches(other),
            _ => false,
        }
    }

    /// Whether the certificate bears this subject.
    #[must_use]
    pub fn matches(&self, certificate: &ClientCertificate) -> bool {
        match self {
            Self::Dn(dn) => dn.matches(certificate.subject()),
            Self::San(san) => certificate.sans().iter().any(|presented| san.matches(presented)),
        }
    }
}

/// Why a set of applications can't be registered together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegistryError {
    /// One certificate would stand for two applications.
    #[error("the thumbprint {thumbprint} is registered for \"{first}\" already")]
    DuplicateThumbprint {
        /// The certificate.
        thumbprint: Thumbprint,
        /// Whose it is.
        first: ClientId,
        /// Which of the refused application's credentials, from 0.
        credential: usize,
    },
    /// One application would hold one certificate twice.
    #[error("the thumbprint {thumbprint} is registered for this application already")]
    RepeatedThumbprint {
        /// The certificate.
        thumbprint: Thumbprint,
        /// Which of its credentials, from 0.
        credential: usize,
    },
    /// One certificate would match two applications.
    #[error(
        "the subject {subject:?} is registered for \"{first}\" already (names are equal without regard to case, blanks and string types)"
    )]
    DuplicateSubject {
        /// As the refused application has it.
        subject: String,
        /// Whose it is.
        first: ClientId,
        /// Which of the refused application's credentials, from 0.
        credential: usize,
    },
    /// Two applications bear one identifier.
    #[error("the client_id \"{0}\" is registered already")]
    DuplicateClientId(ClientId),
}

impl RegistryError {
    /// The credential that is at fault, counted from 0 in its application.
    #[must_use]
    pub fn credential(&self) -> Option<usize> {
        match self {
            Self::DuplicateThumbprint { credential, .. }
            | Self::RepeatedThumbprint { credential, .. }
            | Self::DuplicateSubject { credential, .. } => Some(*credential),
            Self::DuplicateClientId(_) => None,
        }
    }

    /// What the operator can do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::DuplicateSubject { .. } => {
                "give each application a subject of its own, or pin each to another CA by ca: a certificate must be one application's"
            }
            _ => "register each certificate once: an application's key must be its own",
        }
    }
}

/// All applications, found by identifier, by thumbprint and by subject in constant time.
#[derive(Debug, Default)]
pub struct Registry {
    clients: HashMap<ClientId, Arc<Application>>,
    thumbprints: HashMap<Thumbprint, Arc<Application>>,
    /// By the hash of a subject alone, which takes little room: who shares one by chance is judged afterwards, as all are.
    subjects: HashMap<u64, Vec<Arc<Application>>>,
    hasher: RandomState,
}

/// What subjects are looked up by: equal subjects have equal keys.
#[derive(Hash)]
enum SubjectKey<'a> {
    Dn(&'a DistinguishedName),
    San(String),
}

impl<'a> SubjectKey<'a> {
    fn of(subject: &'a Subject) -> Self {
        match subject {
            Subject::Dn(dn) => Self::Dn(dn),
            Subject::San(san) => Self::of_san(san),
        }
    }

    fn of_san(san: &SubjectAltName) -> Self {
        Self::San(match san {
            SubjectAltName::Dns(name) => format!("dns:{}", name.trim_end_matches('.').to_ascii_lowercase()),
            SubjectAltName::Uri(uri) => format!("uri:{}", uri.to_ascii_lowercase()),
            SubjectAltName::Ip(ip) => format!("ip:{ip}"),
            SubjectAltName::Email(address) => format!("email:{}", address.to_ascii_lowercase()),
        })
    }
}

impl Registry {
    /// Adds an application, unless it claims what is another's.
    pub fn insert(&mut self, application: Arc<Application>) -> Result<(), RegistryError> {
        if self.clients.contains_key(&application.client_id) {
            return Err(RegistryError::DuplicateClientId(application.client_id.clone()));
        }
        for (index, credential) in application.credentials.iter().enumerate() {
            if let CredentialMatcher::Thumbprint(thumbprint) = &credential.matcher {
                match self.thumbprints.insert(*thumbprint, Arc::clone(&application)) {
                    Some(first) if Arc::ptr_eq(&first, &application) => {
                        return Err(RegistryError::RepeatedThumbprint {
                            thumbprint: *thumbprint,
                            credential: index,
                        });
                    }
                    Some(first) => {
                        let id = first.client_id.clone();
                        self.thumbprints.insert(*thumbprint, first);
                        return Err(RegistryError::DuplicateThumbprint {
                            thumbprint: *thumbprint,
                            first: id,
                            credential: index,
                        });
                    }
                    None => {}
                }
            }
        }
        for (index, credential) in application.credentials.iter().enumerate() {
            if let CredentialMatcher::Subject { subject, .. } = &credential.matcher {
                let key = self.hasher.hash_one(SubjectKey::of(subject));
                let owners = self.subjects.entry(key).or_default();
                let others = owners.iter().filter(|owner| !Arc::ptr_eq(owner, &application));
                let meets = |owner: &&Arc<Application>| {
                    owner.credentials.iter().any(|other| other.matcher.can_meet(&credential.matcher))
                };
                if let Some(first) = others.into_iter().find(meets) {
                    return Err(RegistryError::DuplicateSubject {
                        subject: credential.matcher.written().1,
                        first: first.client_id.clone(),
                        credential: index,
                    });
                }
                if owners.last().is_none_or(|last| !Arc::ptr_eq(last, &application)) {
                    owners.reserve_exact(1);
                    owners.push(Arc::clone(&application));
                }
            }
        }
        self.clients.insert(application.client_id.clone(), application);
        Ok(())
    }

    /// The subjects of an application that are another's too, under another pin: both pins, and what to say if
    /// one path can hold both.
    pub(super) fn kept_apart(&self, application: &Application) -> Vec<([Arc<[u8; 32]>; 2], RegistryError)> {
        let mut apart = Vec::new();
        for (index, credential) in application.credentials.iter().enumerate() {
            let CredentialMatcher::Subject { subject, pin: Some(pin) } = &credential.matcher else {
                continue;
            };
            let key = self.hasher.hash_one(SubjectKey::of(subject));
            for owner in self.subjects.get(&key).into_iter().flatten() {
                for other in &owner.credentials {
                    if let CredentialMatcher::Subject { subject: others, pin: Some(others_pin) } =
                        &other.matcher
                        && pin != others_pin
                        && subject.is_same(others)
                    {
                        let error = RegistryError::DuplicateSubject {
                            subject: credential.matcher.written().1,
                            first: owner.client_id.clone(),
                            credential: index,
                        };
                        apart.push(([Arc::clone(pin), Arc::clone(others_pin)], error));
                    }
                }
            }
        }
        apart
    }

    /// The application with this identifier.
    #[must_use]
    pub fn application(&self, client_id: &str) -> Option<&Arc<Application>> {
        self.clients.get(client_id)
    }

    /// Every application that may own this certificate: the one of its thumbprint first, then
    /// those of its subject and alternative names.
    pub fn candidates<'a>(
        &'a self,
        certificate: &'a ClientCertificate,
    ) -> impl Iterator<Item = &'a Arc<Application>> + 'a {
        let keys = std::iter::once_with(|| SubjectKey::Dn(certificate.subject()))
            .chain(certificate.sans().iter().map(SubjectKey::of_san));
        let owners = keys.filter_map(|key| self.subjects.get(&self.hasher.hash_one(key))).flatten();
        self.thumbprints.get(&certificate.thumbprint()).into_iter().chain(owners)
    }

    /// Whether an application has registered this certificate itself.
    #[must_use]
    pub fn has_thumbprint(&self, thumbprint: &Thumbprint) -> bool {
        self.thumbprints.contains_key(thumbprint)
    }

    /// How many applications there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nobody is registered: then nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Whether any application presents a certificate that no CA need have issued. Then the TLS
    /// handshake sends no CA hints, by which clients would filter it out (RFC 8705 section 7.2).
    #[must_use]
    pub fn welcomes_self_signed(&self) -> bool {
        !self.thumbprints.is_empty()
    }

    /// All applications, in no order.
    pub fn applications(&self) -> impl Iterator<Item = &Arc<Application>> {
        self.clients.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(id: &str, thumbprints: &[[u8; 32]]) -> Arc<Application> {
        Arc::new(Application {
            client_id: ClientId::new(id),
            method: AuthMethod::SelfSignedTlsClientAuth,
            credentials: thumbprints
                .iter()
                .map(|bytes| Credential {
                    name: "a".into(),
                    matcher: CredentialMatcher::Thumbprint(Thumbprint::from_bytes(*bytes)),
                    certificate: None,
                    usage: Arc::default(),
                })
                .collect(),
        })
    }

    fn by_subject(id: &str, subject: Subject, pin: Option<[u8; 32]>) -> Arc<Application> {
        let matcher = CredentialMatcher::Subject { subject, pin: pin.map(Arc::new) };
        Arc::new(Application {
            client_id: ClientId::new(id),
            method: AuthMethod::TlsClientAuth,
            credentials: [Credential { name: "a".into(), matcher, certificate: None, usage: Arc::default() }]
                .into(),
        })
    }

    const NONE: [Option<[u8; 32]>; 2] = [None, None];

    #[test]
    fn equal_subjects_of_two_applications_are_refused() {
        let dn = |text: &str| Subject::Dn(DistinguishedName::from_written(text).unwrap().0);
        let dns = |text: &str| Subject::San(SubjectAltName::dns(text).unwrap());
        let uri = |text: &str| Subject::San(SubjectAltName::uri(text).unwrap());
        let email = |text: &str| Subject::San(SubjectAltName::email(text).unwrap());
        let ip = |text: &str| Subject::San(SubjectAltName::ip(text).unwrap());
        let (one, two) = (Some([1; 32]), Some([2; 32]));
        for (first, second, pins, refused) in [
            (dn("CN=pay,O=X"), dn("CN=PAY,O=x"), NONE, true),
            (dn("CN=pay,O=X"), dn("/O=X/CN=pay"), NONE, true),
            (dn("CN=pay  now,O=X"), dn("CN=pay now,O=X"), NONE, true),
            (dn("CN=pay,O=X"), dn("O=X,CN=pay"), NONE, false),
            (dn("CN=pay,O=X"), dn("CN=pay,O=X"), [one, None], true),
            (dn("CN=pay,O=X"), dn("CN=pay,O=X"), [None, one], true),
            (dn("CN=pay,O=X"), dn("CN=pay,O=X"), [one, one], true),
            (dn("CN=pay,O=X"), dn("CN=pay,O=X"), [one, two], false),
            (dns("A.example"), dns("a.EXAMPLE."), NONE, true),
            (dns("a.example"), dns("b.example"), NONE, false),
            (uri("urn:Example:a"), uri("URN:Example:a"), NONE, true),
            (uri("https://A.example/x"), uri("https://a.example/x"), NONE, true),
            (uri("https://a.example/x"), uri("https://a.example/X"), NONE, false),
            (email("pay@A.example"), email("pay@a.example"), NONE, true),
            (email("Pay@a.example"), email("pay@a.example"), NONE, false),
            (ip("2001:db8::1"), ip("2001:0DB8:0::1"), NONE, true),
            (dns("a.example"), dn("CN=a.example"), NONE, false),
        ] {
            let what = format!("{first:?} {second:?} {pins:?}");
            let mut registry = Registry::default();
            registry.insert(by_subject("a", first, pins[0])).unwrap();
            let inserted = registry.insert(by_subject("b", second, pins[1]));
            match &inserted {
                Err(RegistryError::DuplicateSubject { first, credential: 0, .. }) => {
                    assert_eq!(first.as_str(), "a");
                }
                other => assert_eq!(other, &Ok(()), "{what}"),
            }
            assert_eq!(inserted.is_err(), refused, "{what}");
        }
    }

    #[test]
    fn one_certificate_stands_for_one_application_only() {
        let mut registry = Registry::default();
        registry.insert(application("a", &[[1; 32], [2; 32]])).unwrap();
        assert_eq!(
            registry.insert(application("b", &[[3; 32], [2; 32]])),
            Err(RegistryError::DuplicateThumbprint {
                thumbprint: Thumbprint::from_bytes([2; 32]),
                first: ClientId::new("a"),
                credential: 1
            })
        );
        assert_eq!(
            registry.insert(application("a", &[])),
            Err(RegistryError::DuplicateClientId(ClientId::new("a")))
        );
        assert_eq!(
            registry.insert(application("c", &[[4; 32], [4; 32]])),
            Err(RegistryError::RepeatedThumbprint {
                thumbprint: Thumbprint::from_bytes([4; 32]),
                credential: 1
            })
        );
    }
}
