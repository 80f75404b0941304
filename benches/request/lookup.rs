//! Applications and owners of certificates among many.

use std::sync::Arc;

use criterion::Criterion;
use mtls_edge::{
    identity::{ClientCertificate, DistinguishedName, Thumbprint},
    trust::{ApplicationSpec, AuthMethod, CredentialSpec, Registered, RegisteredSubject, Registry, Subject},
};
use testkit::self_signed;

/// Credentials in a registry, two per application.
const SIZES: [usize; 4] = [10, 10_000, 100_000, 1_000_000];
/// Certificates that are looked up in turn.
const ASKED: usize = 10;

/// A certificate with the subject of the application of this number.
fn certificate(number: usize) -> ClientCertificate {
    ClientCertificate::from_chain(&self_signed(&format!("app-{number}")).chain).unwrap()
}

/// The certificates' thumbprints, and random ones.
fn thumbprints(certificates: &[ClientCertificate]) -> impl Iterator<Item = Registered> {
    let random = (0_u64..).map(|number| Thumbprint::of(&number.to_be_bytes()));
    certificates
        .iter()
        .map(ClientCertificate::thumbprint)
        .chain(random)
        .map(|one| Registered::Certificate(one.into()))
}

/// The certificates' subjects, and more of the same form.
fn subjects() -> impl Iterator<Item = Registered> {
    (0..).map(|number| {
        let (dn, _) = DistinguishedName::parse(&format!("CN=app-{number},O=Example Bank,C=DE")).unwrap();
        Registered::Subject(RegisteredSubject { subject: Subject::Dn(dn), ca: None })
    })
}

/// A registry of this many credentials.
fn registry(size: usize, method: AuthMethod, mut all: impl Iterator<Item = Registered>) -> Registry {
    let mut registry = Registry::default();
    for number in 0..size / 2 {
        let named = ["2026-q4", "2027-q1"].map(str::to_owned).into_iter();
        let credentials =
            named.zip(all.by_ref()).map(|(name, registered)| CredentialSpec::new(name, registered));
        let spec = ApplicationSpec::new(format!("app-{number}"), method, credentials.collect());
        registry.insert(Arc::new(spec.try_into().unwrap())).unwrap();
    }
    registry
}

pub fn bench(criterion: &mut Criterion) {
    let certificates: Vec<ClientCertificate> = (0..ASKED).map(certificate).collect();
    for size in SIZES {
        let by_subject = registry(size, AuthMethod::PkiTls, subjects());
        owner(criterion, &by_subject, &certificates, &format!("subject, among {size}"));
        drop(by_subject);
        let registry = registry(size, AuthMethod::SelfSignedTls, thumbprints(&certificates));
        owner(criterion, &registry, &certificates, &format!("thumbprint, among {size}"));
        let ids: Vec<String> = registry.applications().map(|owner| owner.client_id.to_string()).collect();
        let mut ids = ids.iter().cycle();
        criterion.bench_function(&format!("application by client_id, among {size} credentials"), |b| {
            b.iter(|| registry.application(ids.next().unwrap()).unwrap());
        });
    }
}

fn owner(criterion: &mut Criterion, registry: &Registry, certificates: &[ClientCertificate], how: &str) {
    let mut certificates = certificates.iter().cycle();
    criterion.bench_function(&format!("owner of a certificate by {how} credentials"), |b| {
        b.iter(|| registry.candidates(certificates.next().unwrap()).next().unwrap());
    });
}
