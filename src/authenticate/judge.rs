//! The authentication policy: whether a request authenticates the client that it names. It is decided nowhere else.

use std::{ptr, sync::Arc};

use super::{
    AssertionError, AssertionRules, Basis, Denial, Mechanism, Presented, Proof,
    assertion::{self, Assertion},
    certificate::{Matched, match_certificate},
    secret,
};
use crate::{
    clock::Timestamp,
    identity::{ClientCertificate, IdentityError},
    jose::JwsError,
    trust::{
        Application, Binding, ClientId, ClientIdError, Credential, Keys, Method, SecretTransport, Trust,
        UnknownApplications,
    },
};

/// A request that names a client, and what it carries to authenticate it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The client.
    pub client_id: &'a ClientId,
    /// The mechanism, with its credential.
    pub mechanism: Mechanism<'a>,
    /// The connection's certificate, or why it cannot be parsed; `None` without one.
    pub presented: Option<Result<Presented<'a>, &'a IdentityError>>,
    /// What assertions are judged by.
    pub assertions: AssertionRules<'a>,
    /// The time.
    pub now: Timestamp,
}

impl<'a> Attempt<'a> {
    /// The connection's certificate within its validity, or the denial without one.
    fn certificate(&self, absent: Denial) -> Result<Presented<'a>, Denial> {
        let presented = match self.presented {
            Some(Ok(presented)) => presented,
            Some(Err(error)) => return Err(Denial::Unreadable(error.clone())),
            None => return Err(absent),
        };
        in_validity(presented.certificate, self.now)?;
        Ok(presented)
    }

    /// The assertion, judged by everything that does not depend on what is registered.
    fn read_assertion(&self, kind: &str, assertion: &'a str) -> Result<Assertion<'a>, Denial> {
        Assertion::read(kind, assertion, self.client_id, self.assertions, self.now)
            .map_err(|error| self.refused(error))
    }

    fn refused(&self, error: AssertionError) -> Denial {
        Denial::Assertion { client_id: self.client_id.clone(), error: Box::new(error) }
    }

    /// Whether a server could read the client that is registered under another name from an unknown one: servers differ in how
    /// they compare identifiers, and some take the client from its assertion.
    fn may_name_another(&self, trust: &Trust) -> bool {
        let id = self.client_id.as_str();
        let by_assertion = match self.mechanism {
            Mechanism::Assertion { assertion, .. } => !assertion::names_only(assertion, id),
            _ => false,
        };
        by_assertion || ClientIdError::of(id).is_some() || trust.registry.resembles(id)
    }

    /// Why its credential would be refused for whatever client it named. The answer to a client that is unknown, or has registered
    /// another method, must be the same as to others.
    fn fault_of_credential(&self) -> Option<Denial> {
        match self.mechanism {
            Mechanism::Assertion { kind, assertion } => self.read_assertion(kind, assertion).err(),
            _ => None,
        }
    }
}

/// Refuses a certificate that is expired or not yet valid.
fn in_validity(certificate: &ClientCertificate, now: Timestamp) -> Result<(), Denial> {
    Denial::of_validity(certificate.validity(), now).map_or(Ok(()), Err)
}

/// Judges whether a request is by the client that it names, in the way that is registered for it (`authenticate = "client"`).
/// `None` for an unknown client if those are forwarded.
///
/// # Errors
///
/// The first reason, in an order that does not show the caller what is registered.
pub fn judge_client(trust: &Trust, attempt: Attempt<'_>) -> Result<Option<Proof>, Denial> {
    let client_id = attempt.client_id;
    let application = match (trust.registry.application(client_id.as_str()), trust.unknown_applications) {
        (Some(application), _) => application,
        (None, UnknownApplications::Forward) if !attempt.may_name_another(trust) => return Ok(None),
        (None, _) => return Err(unknown_client(attempt)),
    };
    let other_method = || {
        attempt.fault_of_credential().unwrap_or_else(|| Denial::OtherMethod {
            client_id: client_id.clone(),
            registered: application.method.kind(),
            presented: attempt.mechanism.name(),
        })
    };
    let proof = match (&application.method, attempt.mechanism) {
        (Method::None, Mechanism::Certificate) => Proof::unproved(application, None),
        // Without any credential all other clients get the same answer, whatever they have registered.
        (Method::Tls(registered), Mechanism::Certificate) => {
            let presented = attempt.certificate(Denial::NoCredential(client_id.clone()))?;
            let matched = match_certificate(trust, presented, client_id, registered, attempt.now)?;
            return Ok(Some(matched.proof(application)));
        }
        (_, Mechanism::Certificate) => {
            attempt.certificate(Denial::NoCredential(client_id.clone()))?;
            return Err(other_method());
        }
        (Method::Tls(registered), _) => {
            // Only its certificate proves that the caller may learn what is registered.
            let presented = attempt.certificate(Denial::NoCertificate).map_err(|_| other_method())?;
            match_certificate(trust, presented, client_id, registered, attempt.now)
                .map_err(|_| other_method())?;
            return Err(Denial::SecondMechanism {
                client_id: client_id.clone(),
                registered: application.method.kind(),
                presented: attempt.mechanism.name(),
            });
        }
        (
            Method::ClientSecret { transport: SecretTransport::Basic, secrets },
            Mechanism::Basic(presented),
        )
        | (Method::ClientSecret { transport: SecretTransport::Post, secrets }, Mechanism::Post(presented)) => {
            match secrets {
                Some(secrets) => {
                    let credential = secret::judge(client_id, secrets, presented, attempt.now)?;
                    Proof::by_credential(application, credential)
                }
                None => Proof::unproved(application, None),
            }
        }
        (Method::PrivateKeyJwt(keys), Mechanism::Assertion { kind, assertion }) => {
            let assertion = attempt.read_assertion(kind, assertion)?;
            return judge_assertion(trust, attempt, application, keys, &assertion).map(Some);
        }
        _ => return Err(other_method()),
    };
    bind(trust, attempt, proof).map(Some)
}

/// Verifies the signature of an assertion that is otherwise acceptable, and then that it is used for the first time.
fn judge_assertion(
    trust: &Trust,
    attempt: Attempt<'_>,
    application: &Arc<Application>,
    keys: &Keys,
    assertion: &Assertion<'_>,
) -> Result<Proof, Denial> {
    let client_id = attempt.client_id;
    let proof = match keys {
        Keys::Registered(credentials) => {
            let registered = || credentials.iter().map(|credential| &*credential.registered.key);
            let key = assertion.verify(registered()).map_err(|error| attempt.refused(error))?;
            let Some(index) = registered().position(|registered| ptr::eq(registered, key)) else {
                return Err(attempt.refused(AssertionError::Key(JwsError::Signature)));
            };
            if let Some(Credential { name, expires_at: Some(at), .. }) =
                credentials.get(index).filter(|credential| credential.is_expired(attempt.now))
            {
                let (client_id, name) = (client_id.clone(), name.clone());
                return Err(Denial::CredentialExpired { client_id, name, at: *at });
            }
            Proof::by_credential(application, index)
        }
        Keys::Published(published) => {
            let keys = published.keys.as_ref().ok_or_else(|| attempt.refused(AssertionError::NoKeySet))?;
            assertion.verify(keys.iter().map(|published| &*published.key)).map_err(|error| {
                attempt.refused(if keys.is_empty() { AssertionError::EmptyKeySet } else { error })
            })?;
            Proof::by_published_key(application)
        }
    };
    let proof = bind(trust, attempt, proof)?;
    let used = assertion.use_once(client_id, attempt.assertions, attempt.now);
    used.map_err(|error| attempt.refused(error))?;
    Ok(proof)
}

/// The denial of a client that is not registered: as that of a registered one which does not match.
fn unknown_client(attempt: Attempt<'_>) -> Denial {
    let client_id = attempt.client_id.clone();
    match attempt.mechanism {
        Mechanism::Certificate => match attempt.certificate(Denial::NoCredential(client_id.clone())) {
            Ok(_) => Denial::UnknownClient(client_id),
            Err(denial) => denial,
        },
        other => {
            attempt.fault_of_credential().unwrap_or_else(|| Denial::UnknownClientBy(client_id, other.name()))
        }
    }
}

/// Adds the certificate to which the client's tokens are bound (RFC 8705 section 3), if its application requires one.
fn bind(trust: &Trust, attempt: Attempt<'_>, mut proof: Proof) -> Result<Proof, Denial> {
    let application = &proof.application;
    if application.binding == Binding::None {
        return Ok(proof);
    }
    let presented = attempt.certificate(Denial::NoCertificate);
    match presented.and_then(|presented| bound(trust, application, presented, attempt.now)) {
        Ok(basis) => {
            proof.certificate = basis;
            Ok(proof)
        }
        Err(cause) => Err(Denial::Binding {
            client_id: application.client_id.clone(),
            cause: Box::new(cause),
            proved: proof.is_authenticated,
            presented: attempt.mechanism.name(),
        }),
    }
}

/// Judges whether a certificate is one to which the application's tokens can be bound (RFC 8705 section 3). `None` if they are bound to
/// none, or by its authentication method.
///
/// # Errors
///
/// If the certificate is not within its validity, or is not one of the registered ones, for whatever reason.
pub fn judge_binding(
    trust: &Trust,
    application: &Application,
    presented: Presented<'_>,
    now: Timestamp,
) -> Result<Option<Basis>, Denial> {
    in_validity(presented.certificate, now)?;
    bound(trust, application, presented, now)
}

/// [`judge_binding`] for a certificate within its validity.
fn bound(
    trust: &Trust,
    application: &Application,
    presented: Presented<'_>,
    now: Timestamp,
) -> Result<Option<Basis>, Denial> {
    match &application.binding {
        Binding::None => Ok(None),
        // Nobody has verified its chain, so that it is vouched for as a self-signed one.
        Binding::AnyCertificate => Ok(Some(Basis::Thumbprint)),
        Binding::Registered(registered) => {
            match_certificate(trust, presented, &application.client_id, registered, now)
                .map(|Matched { basis, .. }| Some(basis))
        }
    }
}

/// Authenticates any client that has registered the certificate (`authenticate = "certificate"`).
pub fn judge_any(trust: &Trust, presented: Presented<'_>, now: Timestamp) -> Result<Proof, Denial> {
    in_validity(presented.certificate, now)?;
    let mut closest = None;
    for application in trust.registry.candidates(presented.certificate) {
        let Method::Tls(registered) = &application.method else { continue };
        match match_certificate(trust, presented, &application.client_id, registered, now) {
            Ok(matched) => return Ok(matched.proof(application)),
            Err(denial) => Denial::keep_closer(&mut closest, denial),
        }
    }
    Err(closest.unwrap_or(Denial::UnknownCertificate))
}

#[cfg(test)]
mod tests {
    use testkit::Ca;

    use super::*;
    use crate::{
        authenticate::{ChainSlot, RefusalCache},
        identity::{
            SubjectAltName,
            testing::{NOW, client, trust},
        },
        trust::{
            ApplicationSpec, AuthMethod, Change, CredentialSpec, Registered, RegisteredSubject, Registry,
            Subject,
        },
    };

    /// An application with a registered subject and a pinned CA.
    fn pinned(id: &str, name: &str, ca: [u8; 32]) -> Change {
        let subject = Subject::San(SubjectAltName::dns(name).unwrap());
        let registered = Registered::Subject(RegisteredSubject { subject, ca: Some(Arc::new(ca)) });
        let spec = ApplicationSpec::new(id, AuthMethod::PkiTls, vec![CredentialSpec::new("a", registered)]);
        Change::Put(Box::new(spec.try_into().unwrap()))
    }

    fn denial(ca: &Ca, certificate: &ClientCertificate, changes: Vec<Change>) -> Denial {
        let mut registry = Registry::default();
        registry.apply_all(changes).unwrap();
        let trust = Trust {
            authorities: Arc::new(trust(&[ca])),
            crl_files: Arc::default(),
            missing_crls: Arc::default(),
            registry,
            unknown_applications: crate::trust::UnknownApplications::Refuse,
        };
        let (chain, refusals) = (ChainSlot::default(), RefusalCache::default());
        judge_any(&trust, Presented { certificate, chain: &chain, refusals: &refusals }, NOW).unwrap_err()
    }

    #[test]
    fn the_reported_denial_is_independent_of_registration_order() {
        let ca = Ca::new("Client CA");
        let leaf = ca.leaf("payments", |params| {
            params.subject_alt_names = vec![rcgen::SanType::DnsName("a.example".try_into().unwrap())];
        });
        let certificate = client(&[leaf]);
        let [x, y] = [("x", [1; 32]), ("y", [2; 32])];
        for order in [[x, y], [y, x]] {
            let changes = order.map(|(id, ca)| pinned(id, "a.example", ca)).into();
            let denial = denial(&ca, &certificate, changes);
            assert!(matches!(&denial, Denial::IssuerMismatch(id) if id.as_str() == "x"), "{denial:?}");
        }
        let denial = denial(&ca, &certificate, vec![pinned("x", "b.example", [1; 32])]);
        assert!(matches!(denial, Denial::UnknownCertificate), "{denial:?}");
    }

    #[test]
    fn the_closest_denial_is_kept() {
        let id = |id: &str| ClientId::new(id);
        let far = || Denial::SubjectMismatch { client_id: id("a"), difference: None };
        let near = || Denial::IssuerMismatch(id("b"));
        for denials in [[far(), near()], [near(), far()]] {
            let mut closest = None;
            for denial in denials {
                Denial::keep_closer(&mut closest, denial);
            }
            assert!(matches!(closest, Some(Denial::IssuerMismatch(_))), "{closest:?}");
        }
    }
}
