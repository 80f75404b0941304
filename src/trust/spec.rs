//! Unvalidated applications, as a source of trust describes them, and the rules that turn them into [`Application`]s.

use std::sync::Arc;

use super::{
    application::{Application, ClientId, Method},
    auth_method::AuthMethod,
    credential::{Credential, Credentials, RegisteredCertificate, RegisteredSubject},
};
use crate::identity::Thumbprint;

/// An unvalidated application, as a source of trust describes it. [`Application::try_from`] validates it.
#[derive(Debug)]
pub struct ApplicationSpec {
    /// The OAuth client identifier.
    pub client_id: String,
    /// How it authenticates.
    pub method: AuthMethod,
    /// Its credentials: one or two, of that method, with different names.
    pub credentials: Vec<CredentialSpec>,
}

/// An unvalidated credential of an [`ApplicationSpec`].
#[derive(Debug)]
pub struct CredentialSpec {
    /// The operator's name for it.
    pub name: String,
    /// What a certificate is compared with.
    pub registered: Registered,
}

/// What a certificate is compared with. Each kind belongs to one authentication method.
#[derive(Debug, PartialEq, Eq)]
pub enum Registered {
    /// For `tls_client_auth`.
    Subject(RegisteredSubject),
    /// For `self_signed_tls_client_auth`.
    Certificate(RegisteredCertificate),
}

impl Registered {
    /// The authentication method that this kind belongs to.
    #[must_use]
    pub const fn method(&self) -> AuthMethod {
        match self {
            Self::Subject(_) => AuthMethod::PkiTls,
            Self::Certificate(_) => AuthMethod::SelfSignedTls,
        }
    }
}

/// Why a text is not valid as a registered `client_id`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdError {
    /// It is empty.
    #[error("empty, expected a client_id")]
    Empty,
    /// It is longer than [`ClientIdError::LONGEST`] bytes.
    #[error("{0} bytes, expected a client_id of at most {longest}", longest = Self::LONGEST)]
    TooLong(usize),
    /// It contains a character other than printable ASCII (RFC 6749 appendix A.1).
    #[error("{0:?}, expected printable ASCII (RFC 6749, appendix A.1)")]
    Character(char),
    /// It begins or ends with a space, which some servers remove: they would read another client.
    #[error("a space at its ends, expected none")]
    OuterSpace,
}

impl ClientIdError {
    /// The maximum length in bytes. RFC 6749 sets none; this one bounds log lines and lookups.
    pub const LONGEST: usize = 255;

    /// The first rule that this text breaks; `None` if it is valid.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Empty);
        }
        if text.len() > Self::LONGEST {
            return Some(Self::TooLong(text.len()));
        }
        if let Some(character) = text.chars().find(|c| !matches!(c, ' '..='~')) {
            return Some(Self::Character(character));
        }
        (text.trim() != text).then_some(Self::OuterSpace)
    }
}

/// Why an [`ApplicationSpec`] is invalid. Credentials are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplicationError {
    /// The `client_id` is invalid.
    #[error("the client_id is {0}")]
    ClientId(#[from] ClientIdError),
    /// There is no credential.
    #[error("an application needs at least one credential")]
    NoCredential,
    /// There are more than [`Credentials::MAX`] credentials.
    #[error("{0} credentials, expected at most two: one in use and its successor")]
    TooManyCredentials(usize),
    /// A credential belongs to another method than the application.
    #[error("the credential belongs to {}, but the application uses {}", .own.as_str(), .method.as_str())]
    OtherMethod {
        /// Index of the credential.
        credential: usize,
        /// The credential's method.
        own: AuthMethod,
        /// The application's method.
        method: AuthMethod,
    },
    /// Two credentials have the same name.
    #[error("the credential name {name:?} is used twice")]
    RepeatedName {
        /// The repeated name.
        name: String,
        /// Index of the second credential.
        credential: usize,
    },
    /// Two credentials register the same certificate.
    #[error("the thumbprint {thumbprint} is registered for this application already")]
    RepeatedThumbprint {
        /// The certificate's thumbprint.
        thumbprint: Thumbprint,
        /// Index of the second credential.
        credential: usize,
    },
}

impl ApplicationError {
    /// Index of the invalid credential, for a diagnostic at its place in the configuration.
    #[must_use]
    pub const fn credential(&self) -> Option<usize> {
        match self {
            Self::OtherMethod { credential, .. }
            | Self::RepeatedName { credential, .. }
            | Self::RepeatedThumbprint { credential, .. } => Some(*credential),
            Self::TooManyCredentials(_) => Some(Credentials::<()>::MAX),
            Self::ClientId(_) | Self::NoCredential => None,
        }
    }
}

impl TryFrom<ApplicationSpec> for Application {
    type Error = ApplicationError;

    fn try_from(
        ApplicationSpec { client_id, method, credentials }: ApplicationSpec,
    ) -> Result<Self, Self::Error> {
        if let Some(error) = ClientIdError::of(&client_id) {
            return Err(error.into());
        }
        let method = match method {
            AuthMethod::PkiTls => {
                Method::PkiTls(one_or_two(method, credentials, |registered| match registered {
                    Registered::Subject(subject) => Ok(subject),
                    other @ Registered::Certificate(_) => Err(other.method()),
                })?)
            }
            AuthMethod::SelfSignedTls => {
                let credentials = one_or_two(method, credentials, |registered| match registered {
                    Registered::Certificate(certificate) => Ok(certificate),
                    other @ Registered::Subject(_) => Err(other.method()),
                })?;
                let thumbprint_of = |index| credentials.get(index).map(|one| one.registered.thumbprint);
                if let Some(thumbprint) = thumbprint_of(1)
                    && thumbprint_of(0) == Some(thumbprint)
                {
                    return Err(ApplicationError::RepeatedThumbprint { thumbprint, credential: 1 });
                }
                Method::SelfSignedTls(credentials)
            }
            _ => return Err(ApplicationError::NoCredential),
        };
        Ok(Self { client_id: ClientId::new(client_id), method })
    }
}

/// Builds the credentials of one method. `narrow` returns what belongs to it, or else the method that the credential belongs to.
fn one_or_two<T>(
    method: AuthMethod,
    specs: Vec<CredentialSpec>,
    narrow: impl Fn(Registered) -> Result<T, AuthMethod>,
) -> Result<Credentials<T>, ApplicationError> {
    let count = specs.len();
    if count > Credentials::<T>::MAX {
        return Err(ApplicationError::TooManyCredentials(count));
    }
    let mut credentials =
        specs.into_iter().enumerate().map(|(credential, CredentialSpec { name, registered })| {
            let registered = narrow(registered).map_err(|own| ApplicationError::OtherMethod {
                credential,
                own,
                method,
            })?;
            Ok::<_, ApplicationError>(Credential { name: name.into(), registered, usage: Arc::default() })
        });
    let first = credentials.next().ok_or(ApplicationError::NoCredential)??;
    let second = credentials.next().transpose()?;
    if let Some(second) = second.as_ref().filter(|second| second.name == first.name) {
        return Err(ApplicationError::RepeatedName { name: second.name.to_string(), credential: 1 });
    }
    Ok(Credentials::new(first, second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identity::SubjectAltName, trust::Subject};

    fn certificate(name: &str, byte: u8) -> CredentialSpec {
        let registered = Registered::Certificate(Thumbprint::from_bytes([byte; 32]).into());
        CredentialSpec { name: name.to_owned(), registered }
    }

    fn subject(name: &str) -> CredentialSpec {
        let subject = Subject::San(SubjectAltName::dns("a.example").unwrap());
        CredentialSpec {
            name: name.to_owned(),
            registered: Registered::Subject(RegisteredSubject { subject, ca: None }),
        }
    }

    fn built(
        id: &str,
        method: AuthMethod,
        credentials: Vec<CredentialSpec>,
    ) -> Result<Application, ApplicationError> {
        Application::try_from(ApplicationSpec { client_id: id.to_owned(), method, credentials })
    }

    #[test]
    fn method_and_credentials_cannot_disagree() {
        let (pki, own) = (AuthMethod::PkiTls, AuthMethod::SelfSignedTls);
        assert!(matches!(built("a", pki, vec![subject("x")]).unwrap().method, Method::PkiTls(_)));
        assert!(matches!(
            built("a", own, vec![certificate("x", 1)]).unwrap().method,
            Method::SelfSignedTls(_)
        ));
        assert_eq!(
            built("a", own, vec![certificate("x", 1), subject("y")]),
            Err(ApplicationError::OtherMethod { credential: 1, own: pki, method: own })
        );
        assert_eq!(
            built("a", pki, vec![certificate("x", 1)]),
            Err(ApplicationError::OtherMethod { credential: 0, own, method: pki })
        );
    }

    #[test]
    fn an_application_has_one_or_two_credentials() {
        let method = AuthMethod::SelfSignedTls;
        assert_eq!(built("a", method, vec![]), Err(ApplicationError::NoCredential));
        let two = vec![certificate("x", 1), certificate("y", 2)];
        assert_eq!(built("a", method, two).unwrap().credentials().count(), 2);
        let three = vec![certificate("x", 1), certificate("y", 2), certificate("z", 3)];
        let error = built("a", method, three).unwrap_err();
        assert_eq!((error.credential(), error), (Some(2), ApplicationError::TooManyCredentials(3)));
    }

    #[test]
    fn credentials_differ_in_name_and_certificate() {
        let method = AuthMethod::SelfSignedTls;
        assert_eq!(
            built("a", method, vec![certificate("x", 1), certificate("x", 2)]),
            Err(ApplicationError::RepeatedName { name: "x".to_owned(), credential: 1 })
        );
        let thumbprint = Thumbprint::from_bytes([1; 32]);
        assert_eq!(
            built("a", method, vec![certificate("x", 1), certificate("y", 1)]),
            Err(ApplicationError::RepeatedThumbprint { thumbprint, credential: 1 })
        );
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
