//! Unvalidated applications, as a source of trust describes them, and the rules that turn them into [`Application`]s.

use std::sync::Arc;

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
        Ok(Self { client_id: ClientId::new(client_id), method, binding, request_keys, rules })
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
mod tests {
    use super::*;
    use crate::{
        identity::{SubjectAltName, Thumbprint},
        trust::Subject,
    };

    fn certificate(name: &str, byte: u8) -> CredentialSpec {
        CredentialSpec::new(name, Registered::Certificate(Thumbprint::from_bytes([byte; 32]).into()))
    }

    fn subject(name: &str) -> CredentialSpec {
        let subject = Subject::San(SubjectAltName::dns("a.example").unwrap());
        CredentialSpec::new(name, Registered::Subject(RegisteredSubject { subject, ca: None }))
    }

    fn secret(name: &str, byte: u8) -> CredentialSpec {
        CredentialSpec::new(name, Registered::Secret(RegisteredSecret { sha256: [byte; 32] }))
    }

    fn built(
        id: &str,
        method: AuthMethod,
        credentials: Vec<CredentialSpec>,
    ) -> Result<Application, ApplicationError> {
        Application::try_from(ApplicationSpec::new(id, method, credentials))
    }

    fn error(role: Role, index: usize, fault: CredentialFault) -> ApplicationError {
        ApplicationError::Credential { role, index, fault }
    }

    #[test]
    fn method_and_credentials_cannot_disagree() {
        let (pki, own) = (AuthMethod::PkiTls, AuthMethod::SelfSignedTls);
        let secrets = [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];
        assert_eq!(built("a", pki, vec![subject("x")]).unwrap().method.kind(), pki);
        assert_eq!(built("a", own, vec![certificate("x", 1)]).unwrap().method.kind(), own);
        for method in secrets {
            assert_eq!(built("a", method, vec![secret("x", 1)]).unwrap().method.kind(), method);
        }
        let wrong = |index, found, expected| {
            Err(error(Role::Authentication, index, CredentialFault::Kind { found, expected }))
        };
        let two = vec![certificate("x", 1), subject("y")];
        assert_eq!(built("a", own, two), wrong(1, "a subject", "a certificate"));
        assert_eq!(built("a", pki, vec![certificate("x", 1)]), wrong(0, "a certificate", "a subject"));
        assert_eq!(built("a", secrets[0], vec![certificate("x", 1)]), wrong(0, "a certificate", "a secret"));
        let jwt = built("a", AuthMethod::PrivateKeyJwt, vec![secret("x", 1)]);
        assert_eq!(jwt, wrong(0, "a secret", "a public key"));
        assert_eq!(built("a", AuthMethod::None, vec![secret("x", 1)]), Err(ApplicationError::PublicClient));
    }

    #[test]
    fn each_method_has_its_number_of_credentials() {
        for method in AuthMethod::ALL {
            let built = built("a", method, vec![]);
            let needed = method.is_tls() || method == AuthMethod::PrivateKeyJwt;
            let error = needed.then_some(ApplicationError::NoCredential(method));
            assert_eq!(built.err(), error, "{method:?}");
        }
        let method = AuthMethod::SelfSignedTls;
        let two = vec![certificate("x", 1), certificate("y", 2)];
        assert_eq!(built("a", method, two).unwrap().credentials().count(), 2);
        let three = vec![certificate("x", 1), certificate("y", 2), certificate("z", 3)];
        let too_many = error(Role::Authentication, 2, CredentialFault::TooMany(3));
        assert_eq!(built("a", method, three).unwrap_err(), too_many);
    }

    #[test]
    fn credentials_differ_in_name_and_in_what_they_register() {
        let repeated = |fault| Err(error(Role::Authentication, 1, fault));
        let method = AuthMethod::SelfSignedTls;
        assert_eq!(
            built("a", method, vec![certificate("x", 1), certificate("x", 2)]),
            repeated(CredentialFault::RepeatedName("x".to_owned()))
        );
        let thumbprint = Thumbprint::from_bytes([1; 32]);
        assert_eq!(
            built("a", method, vec![certificate("x", 1), certificate("y", 1)]),
            repeated(CredentialFault::RepeatedThumbprint(thumbprint))
        );
        assert_eq!(
            built("a", AuthMethod::ClientSecretPost, vec![secret("x", 1), secret("y", 1)]),
            repeated(CredentialFault::RepeatedSecret)
        );
    }

    #[test]
    fn a_binding_is_any_certificate_or_registered_ones() {
        let bound = |is_bound, certificates| {
            let spec = ApplicationSpec::new("a", AuthMethod::ClientSecretBasic, vec![]);
            Application::try_from(ApplicationSpec { certificate_bound: is_bound, certificates, ..spec })
                .map(|application| application.binding)
        };
        assert_eq!(bound(false, vec![]), Ok(Binding::None));
        assert_eq!(bound(true, vec![]), Ok(Binding::AnyCertificate));
        let Ok(Binding::Registered(registered)) = bound(true, vec![subject("x")]) else { panic!() };
        assert!(matches!(*registered, CertificateCredentials::Subjects(_)));
        assert_eq!(bound(false, vec![subject("x")]), Err(ApplicationError::NotBound));
        let by_subject = ApplicationSpec {
            certificate_bound: true,
            certificates: vec![certificate("y", 1)],
            ..ApplicationSpec::new("a", AuthMethod::PkiTls, vec![subject("x")])
        };
        let refused = Application::try_from(by_subject);
        assert_eq!(refused, Err(ApplicationError::BoundByMethod(AuthMethod::PkiTls)));
        let fault = CredentialFault::Kind { found: "a certificate", expected: "a subject" };
        assert_eq!(bound(true, vec![subject("x"), certificate("y", 1)]), Err(error(Role::Binding, 1, fault)));
    }

    #[test]
    fn a_client_id_is_printable_ascii_within_bounds() {
        for (id, error) in [
            ("", ClientIdError::Empty),
            ("a\u{e4}", ClientIdError::Character('\u{e4}')),
            ("a\tb", ClientIdError::Character('\t')),
            (" a", ClientIdError::OuterSpace),
            ("a ", ClientIdError::OuterSpace),
            (&"a".repeat(256), ClientIdError::TooLong(256)),
        ] {
            let built = built(id, AuthMethod::SelfSignedTls, vec![certificate("x", 1)]);
            assert_eq!(built, Err(ApplicationError::ClientId(error)));
        }
        assert!(built(&"a".repeat(255), AuthMethod::PkiTls, vec![subject("x")]).is_ok());
    }
}
