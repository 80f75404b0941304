//! All registered applications, found by what a request names or presents.

use std::{collections::HashMap, sync::Arc};

use super::RegisteredCertificate;
use super::{
    application::{Application, ClientId},
    subjects::{EqualSubjects, Subjects},
};
use crate::identity::{ClientCertificate, Thumbprint};

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
    /// One certificate would match two applications.
    #[error(transparent)]
    DuplicateSubject(#[from] EqualSubjects),
    /// Two applications bear one identifier.
    #[error("the client_id \"{0}\" is registered already")]
    DuplicateClientId(ClientId),
}

impl RegistryError {
    /// What the operator can do about a certificate that is registered twice.
    pub(super) const EACH_ONCE: &str = "register each certificate once: an application's key must be its own";

    /// The credential that is at fault, counted from 0 in its application.
    #[must_use]
    pub fn credential(&self) -> Option<usize> {
        match self {
            Self::DuplicateThumbprint { credential, .. }
            | Self::DuplicateSubject(EqualSubjects { credential, .. }) => Some(*credential),
            Self::DuplicateClientId(_) => None,
        }
    }

    /// What the operator can do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::DuplicateSubject(_) => EqualSubjects::HELP,
            _ => Self::EACH_ONCE,
        }
    }
}

/// All applications, found by identifier, by thumbprint and by subject in constant time.
#[derive(Debug, Default)]
pub struct Registry {
    clients: HashMap<ClientId, Arc<Application>>,
    thumbprints: HashMap<Thumbprint, Arc<Application>>,
    subjects: Subjects,
}

impl Registry {
    /// Adds an application, unless it claims what is another's.
    pub fn insert(&mut self, application: Arc<Application>) -> Result<(), RegistryError> {
        if self.clients.contains_key(&application.client_id) {
            return Err(RegistryError::DuplicateClientId(application.client_id.clone()));
        }
        for (index, RegisteredCertificate { thumbprint, .. }) in application.certificates() {
            if let Some(first) = self.thumbprints.get(thumbprint) {
                return Err(RegistryError::DuplicateThumbprint {
                    thumbprint: *thumbprint,
                    first: first.client_id.clone(),
                    credential: index,
                });
            }
        }
        for (_, RegisteredCertificate { thumbprint, .. }) in application.certificates() {
            self.thumbprints.insert(*thumbprint, Arc::clone(&application));
        }
        self.subjects.insert(&application)?;
        self.clients.insert(application.client_id.clone(), application);
        Ok(())
    }

    /// The applications by their subjects.
    pub(super) const fn subjects(&self) -> &Subjects {
        &self.subjects
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
        let by_subject = self.subjects.owners(certificate);
        self.thumbprints.get(&certificate.thumbprint()).into_iter().chain(by_subject)
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
    use crate::trust::{ApplicationSpec, AuthMethod, CredentialSpec, Registered};

    fn application(id: &str, thumbprints: &[[u8; 32]]) -> Arc<Application> {
        let credentials = thumbprints.iter().map(|bytes| CredentialSpec {
            name: format!("{bytes:?}"),
            registered: Registered::Certificate(Thumbprint::from_bytes(*bytes).into()),
        });
        let spec = ApplicationSpec {
            client_id: id.to_owned(),
            method: AuthMethod::SelfSignedTls,
            credentials: credentials.collect(),
        };
        Arc::new(spec.try_into().unwrap())
    }

    #[test]
    fn a_certificate_belongs_to_one_application() {
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
            registry.insert(application("a", &[[4; 32]])),
            Err(RegistryError::DuplicateClientId(ClientId::new("a")))
        );
    }
}
