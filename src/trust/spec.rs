//! Unvalidated applications, as a source of trust describes them, and the rules that turn them into [`Application`]s.

use std::{num::NonZeroU32, sync::Arc};

use super::{
    application::{
        Application, Binding, CertificateCredentials, ClientId, Keys, Method, PublishedKeys, RequestRules,
        Role, SecretTransport,
    },
    auth_method::AuthMethod,
    credential::{
        CertificateMatch, Credential, Credentials, RegisteredCertificate, RegisteredKey, RegisteredSecret,
        RegisteredSubject,
    },
    error::{ApplicationError, ClientIdError, CredentialFault},
};
use crate::clock::Timestamp;

/// An unvalidated application, as a source of trust describes it. [`Application::try_from`] validates it.
#[derive(Debug)]
pub struct ApplicationSpec {
    /// The OAuth client identifier.
    pub client_id: String,
    /// How it authenticates.
    pub method: AuthMethod,
    /// Its credentials, of that method, with different names: one or two; with a client secret also none; for `none` none.
    pub credentials: Vec<CredentialSpec>,
    /// For `private_key_jwt`, in place of credentials: the keys of its `jwks_uri`.
    pub published_keys: Option<PublishedKeys>,
    /// Whether it presents a certificate besides, so that its tokens are bound to it.
    pub certificate_bound: bool,
    /// The certificates that it may present for that: none for any, else one or two.
    pub certificates: Vec<CredentialSpec>,
    /// The keys of its signed authorization requests: none, one or two.
    pub request_keys: Vec<CredentialSpec>,
    /// What its authorization requests must satisfy.
    pub rules: RequestRules,
    /// The requests that it may send per second, if that is not the number of all applications.
    pub requests_per_second: Option<NonZeroU32>,
}

impl ApplicationSpec {
    /// An application that only authenticates.
    #[must_use]
    pub fn new(client_id: impl Into<String>, method: AuthMethod, credentials: Vec<CredentialSpec>) -> Self {
        Self {
            client_id: client_id.into(),
            method,
            credentials,
            published_keys: None,
            certificate_bound: false,
            certificates: Vec::new(),
            request_keys: Vec::new(),
            rules: RequestRules::default(),
            requests_per_second: None,
        }
    }
}

/// An unvalidated credential of an [`ApplicationSpec`].
#[derive(Debug)]
pub struct CredentialSpec {
    /// The operator's name for it.
    pub name: String,
    /// What the presented one is compared with.
    pub registered: Registered,
    /// The second from which on it is refused.
    pub expires_at: Option<Timestamp>,
}

impl CredentialSpec {
    /// A credential without an end.
    #[must_use]
    pub fn new(name: impl Into<String>, registered: Registered) -> Self {
        Self { name: name.into(), registered, expires_at: None }
    }
}

/// What a credential registers.
#[derive(Debug, PartialEq, Eq)]
pub enum Registered {
    /// For `tls_client_auth`.
    Subject(RegisteredSubject),
    /// For `self_signed_tls_client_auth`.
    Certificate(RegisteredCertificate),
    /// For `private_key_jwt`, and for signed authorization requests.
    Key(RegisteredKey),
    /// For `client_secret_basic` and `client_secret_post`.
    Secret(RegisteredSecret),
}

impl Registered {
    /// What it registers, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Subject(_) => "a subject",
            Self::Certificate(_) => "a certificate",
            Self::Key(_) => "a public key",
            Self::Secret(_) => "a secret",
        }
    }
}

impl TryFrom<ApplicationSpec> for Application {
    type Error = ApplicationError;

    fn try_from(spec: ApplicationSpec) -> Result<Self, Self::Error> {
        let ApplicationSpec {
            client_id,
            method,
            credentials,
            published_keys,
            certificate_bound,
            certificates,
            request_keys,
            rules,
            requests_per_second,
        } = spec;
        if let Some(error) = ClientIdError::of(&client_id) {
            return Err(error.into());
        }
        let method = build_method(method, credentials, published_keys)?;
        if method.kind().is_tls() && !certificates.is_empty() {
            return Err(ApplicationError::BoundByMethod(method.kind()));
        }
        let binding = match certificate_bound {
            false if certificates.is_empty() => Binding::None,
            false => return Err(ApplicationError::NotBound),
            true if certificates.is_empty() => Binding::AnyCertificate,
            true => Binding::Registered(Box::new(certificate_credentials(Role::Binding, certificates)?)),
        };
        let request_keys = keys(Role::RequestKey, request_keys)?.map(Box::new);
        Ok(Self {
            client_id: ClientId::new(client_id),
            method,
            binding,
            request_keys,
            rules,
            requests_per_second,
            refusals: Arc::default(),
        })
    }
}

fn build_method(
    method: AuthMethod,
    credentials: Vec<CredentialSpec>,
    published: Option<PublishedKeys>,
) -> Result<Method, ApplicationError> {
    const ROLE: Role = Role::Authentication;
    if let Some(published) = published {
        return match method {
            AuthMethod::PrivateKeyJwt if credentials.is_empty() => {
                Ok(Method::PrivateKeyJwt(Keys::Published(published)))
            }
            AuthMethod::PrivateKeyJwt => Err(ApplicationError::CredentialAndPublished),
            other => Err(ApplicationError::PublishedKeys(other)),
        };
    }
    let needed = || ApplicationError::NoCredential(method);
    Ok(match method {
        AuthMethod::PkiTls => {
            Method::Tls(CertificateCredentials::Subjects(subjects(ROLE, credentials)?.ok_or_else(needed)?))
        }
        AuthMethod::SelfSignedTls => Method::Tls(CertificateCredentials::Certificates(
            registered_certificates(ROLE, credentials)?.ok_or_else(needed)?,
        )),
        AuthMethod::PrivateKeyJwt => {
            Method::PrivateKeyJwt(Keys::Registered(keys(ROLE, credentials)?.ok_or_else(needed)?))
        }
        AuthMethod::ClientSecretBasic => {
            Method::ClientSecret { transport: SecretTransport::Basic, secrets: secrets(ROLE, credentials)? }
        }
        AuthMethod::ClientSecretPost => {
            Method::ClientSecret { transport: SecretTransport::Post, secrets: secrets(ROLE, credentials)? }
        }
        AuthMethod::None if credentials.is_empty() => Method::None,
        AuthMethod::None => return Err(ApplicationError::PublicClient),
    })
}

/// The first certificate decides the kind of all.
fn certificate_credentials(
    role: Role,
    specs: Vec<CredentialSpec>,
) -> Result<CertificateCredentials, ApplicationError> {
    let is_by_subject = specs.first().is_some_and(|spec| matches!(spec.registered, Registered::Subject(_)));
    let built = if is_by_subject {
        subjects(role, specs)?.map(CertificateCredentials::Subjects)
    } else {
        registered_certificates(role, specs)?.map(CertificateCredentials::Certificates)
    };
    built.ok_or(ApplicationError::NotBound)
}

type Built<T> = Result<Option<Credentials<T>>, ApplicationError>;

fn subjects(role: Role, specs: Vec<CredentialSpec>) -> Built<RegisteredSubject> {
    up_to_two(role, specs, "a subject", |registered| match registered {
        Registered::Subject(subject) => Ok(subject),
        other => Err(other),
    })
}

fn registered_certificates(role: Role, specs: Vec<CredentialSpec>) -> Built<RegisteredCertificate> {
    let built = up_to_two(role, specs, "a certificate", |registered| match registered {
        Registered::Certificate(certificate) => Ok(certificate),
        other => Err(other),
    })?;
    distinct(role, built, |one, other| {
        (one.matches == other.matches).then_some(match other.matches {
            CertificateMatch::Thumbprint(thumbprint) => CredentialFault::RepeatedThumbprint(thumbprint),
            CertificateMatch::PublicKey(_) => CredentialFault::RepeatedKey,
        })
    })
}

fn keys(role: Role, specs: Vec<CredentialSpec>) -> Built<RegisteredKey> {
    let built = up_to_two(role, specs, "a public key", |registered| match registered {
        Registered::Key(key) => Ok(key),
        other => Err(other),
    })?;
    distinct(role, built, |RegisteredKey { key: one }, RegisteredKey { key: other }| {
        if one.thumbprint() == other.thumbprint() {
            return Some(CredentialFault::RepeatedKey);
        }
        let kid = one.kid().filter(|kid| other.kid() == Some(kid))?;
        Some(CredentialFault::RepeatedKeyId(kid.to_owned()))
    })
}

fn secrets(role: Role, specs: Vec<CredentialSpec>) -> Built<RegisteredSecret> {
    let built = up_to_two(role, specs, "a secret", |registered| match registered {
        Registered::Secret(secret) => Ok(secret),
        other => Err(other),
    })?;
    distinct(role, built, |one, other| (one == other).then_some(CredentialFault::RepeatedSecret))
}

/// Builds the credentials of one role and kind; `None` without any. `narrow` returns what belongs to the kind.
fn up_to_two<T>(
    role: Role,
    specs: Vec<CredentialSpec>,
    expected: &'static str,
    narrow: impl Fn(Registered) -> Result<T, Registered>,
) -> Built<T> {
    let count = specs.len();
    let at = |index, fault| ApplicationError::Credential { role, index, fault };
    if count > Credentials::<T>::MAX {
        return Err(at(Credentials::<T>::MAX, CredentialFault::TooMany(count)));
    }
    let mut credentials = specs.into_iter().enumerate().map(|(index, spec)| {
        let CredentialSpec { name, registered, expires_at } = spec;
        let registered = narrow(registered)
            .map_err(|other| at(index, CredentialFault::Kind { found: other.kind(), expected }))?;
        Ok::<_, ApplicationError>(Credential {
            name: name.into(),
            registered,
            expires_at,
            usage: Arc::default(),
        })
    });
    let Some(first) = credentials.next().transpose()? else { return Ok(None) };
    let second = credentials.next().transpose()?;
    if let Some(second) = second.as_ref().filter(|second| second.name == first.name) {
        return Err(at(1, CredentialFault::RepeatedName(second.name.to_string())));
    }
    Ok(Some(Credentials::new(first, second)))
}

/// Refuses two credentials that `repeated` finds to be the same.
fn distinct<T>(
    role: Role,
    built: Option<Credentials<T>>,
    repeated: impl Fn(&T, &T) -> Option<CredentialFault>,
) -> Built<T> {
    let Some(credentials) = built else { return Ok(None) };
    let fault = match (credentials.get(0), credentials.get(1)) {
        (Some(one), Some(other)) => repeated(&one.registered, &other.registered),
        _ => None,
    };
    match fault {
        Some(fault) => Err(ApplicationError::Credential { role, index: 1, fault }),
        None => Ok(Some(credentials)),
    }
}

#[cfg(test)]
mod tests;
