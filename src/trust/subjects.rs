//! The index of applications by registered subject (RFC 8705 section 2.1.2). It rejects a subject by which one certificate
//! could authenticate two applications.

use std::{collections::hash_map::RandomState, hash::BuildHasher, sync::Arc};

use super::{
    application::{Application, ClientId},
    credential::{RegisteredSubject, Subject},
    shared_map::SharedMap,
};
use crate::identity::{ClientCertificate, DistinguishedName, SubjectAltName};

/// A credential whose subject another application has registered.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the subject {subject:?} is registered for \"{first}\" already (names are equal without regard to case, spaces and string types)"
)]
pub struct DuplicateSubject {
    /// The subject as the later application registers it.
    pub subject: String,
    /// The application that has registered it first.
    pub first: ClientId,
    /// Index of the later application's credential.
    pub credential: usize,
}

impl DuplicateSubject {
    /// How an operator fixes it.
    pub const HELP: &str = "give each application a unique subject, or pin each to another CA with ca: a certificate must belong to one application";
}

/// The applications that a subject may authenticate, in constant time.
#[derive(Clone, Debug, Default)]
pub(super) struct Subjects {
    /// By the hash of a subject only, to save memory. A collision is harmless, since every candidate is compared afterwards.
    owners: SharedMap<u64, Vec<Arc<Application>>>,
    hasher: RandomState,
}

/// The key by which a subject is hashed: equal subjects have equal keys.
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

impl Subjects {
    /// Adds the subjects of an application. Adds none if a certificate could match one of them and another application's.
    pub(super) fn insert(&mut self, application: &Arc<Application>) -> Result<(), DuplicateSubject> {
        for (credential, registered) in application.subjects() {
            let overlaps =
                |owner: &&Arc<Application>| owner.subjects().any(|(_, other)| overlap(other, registered));
            if let Some(first) = self.owners_of(&registered.subject).iter().find(overlaps) {
                let (subject, first) = (registered.subject.written().1, first.client_id.clone());
                return Err(DuplicateSubject { subject, first, credential });
            }
        }
        for (_, RegisteredSubject { subject, .. }) in application.subjects() {
            let owners = self.owners_of(subject);
            if !owners.iter().any(|owner| Arc::ptr_eq(owner, application)) {
                let mut extended = Vec::with_capacity(owners.len() + 1);
                extended.extend(owners.iter().cloned());
                extended.push(Arc::clone(application));
                self.owners.insert(self.key(subject), extended);
            }
        }
        Ok(())
    }

    /// Removes the subjects of an application.
    pub(super) fn remove(&mut self, application: &Arc<Application>) {
        for (_, RegisteredSubject { subject, .. }) in application.subjects() {
            let others = |owner: &&Arc<Application>| !Arc::ptr_eq(owner, application);
            let remaining: Vec<_> = self.owners_of(subject).iter().filter(others).cloned().collect();
            let key = self.key(subject);
            if remaining.is_empty() {
                self.owners.remove(&key);
            } else {
                self.owners.insert(key, remaining);
            }
        }
    }

    fn key(&self, subject: &Subject) -> u64 {
        self.hasher.hash_one(SubjectKey::of(subject))
    }

    /// The applications that have registered a subject with the same hash.
    pub(super) fn owners_of(&self, subject: &Subject) -> &[Arc<Application>] {
        self.owners.get(&self.key(subject)).map_or(&[], Vec::as_slice)
    }

    /// The applications that have registered a subject with the hash of the certificate's subject or one of its SANs.
    pub(super) fn owners<'a>(
        &'a self,
        certificate: &'a ClientCertificate,
    ) -> impl Iterator<Item = &'a Arc<Application>> + 'a {
        let keys = std::iter::once_with(|| SubjectKey::Dn(certificate.subject()))
            .chain(certificate.sans().iter().map(SubjectKey::of_san));
        keys.filter_map(|key| self.owners.get(&self.hasher.hash_one(key))).flatten()
    }
}

/// Whether one name in a certificate can match both subjects, under a CA that both accept.
fn overlap(one: &RegisteredSubject, other: &RegisteredSubject) -> bool {
    let pins_overlap = match (&one.ca, &other.ca) {
        (Some(ca), Some(other)) => ca == other,
        _ => true,
    };
    pins_overlap && one.subject.is_same_as(&other.subject)
}

impl Subject {
    /// Whether both are the same name, by the rules of RFC 5280 section 7.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dn(dn), Self::Dn(other)) => dn == other,
            (Self::San(san), Self::San(other)) => san.matches(other),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{ApplicationSpec, AuthMethod, CredentialSpec, Registered};

    fn by_subject(id: &str, subject: Subject, ca: Option<[u8; 32]>) -> Arc<Application> {
        let registered = Registered::Subject(RegisteredSubject { subject, ca: ca.map(Arc::new) });
        let spec = ApplicationSpec::new(id, AuthMethod::PkiTls, vec![CredentialSpec::new("a", registered)]);
        Arc::new(spec.try_into().unwrap())
    }

    const NONE: [Option<[u8; 32]>; 2] = [None, None];

    #[test]
    fn equal_subjects_of_two_applications_are_refused() {
        let dn = |text: &str| Subject::Dn(DistinguishedName::parse(text).unwrap().0);
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
            let mut subjects = Subjects::default();
            subjects.insert(&by_subject("a", first, pins[0])).unwrap();
            let inserted = subjects.insert(&by_subject("b", second, pins[1]));
            match &inserted {
                Err(DuplicateSubject { first, credential: 0, .. }) => {
                    assert_eq!(first.as_str(), "a");
                }
                other => assert_eq!(other, &Ok(()), "{what}"),
            }
            assert_eq!(inserted.is_err(), refused, "{what}");
        }
    }
}
