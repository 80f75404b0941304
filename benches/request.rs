//! What runs on the way of a request, in isolation: `cargo bench`.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use mtls_edge::{
    authenticate::client_id,
    config::settings::AuthMethod,
    identity::{ClientCertificate, DistinguishedName, Thumbprint},
    trust::{Application, ClientId, Credential, CredentialMatcher, Registry},
    vouch::{Facts, Profile, Reserved, not_verified},
};
use rcgen::{CertificateParams, KeyPair};

fn certificate() -> ClientCertificate {
    let params = CertificateParams::new(vec!["client.example.test".to_owned()]).unwrap();
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    ClientCertificate::from_chain(&[certificate.der().clone()]).unwrap()
}

fn headers() -> HeaderMap {
    let names = ["host", "user-agent", "accept", "content-type", "content-length", "authorization"];
    names.iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("value"))).collect()
}

fn bench(criterion: &mut Criterion) {
    let identity = certificate();
    let der = identity.der().clone();
    criterion.bench_function("identity from DER", |b| {
        b.iter(|| ClientCertificate::from_chain(black_box(std::slice::from_ref(&der))).unwrap());
    });
    criterion.bench_function("thumbprint", |b| b.iter(|| Thumbprint::of(black_box(&der))));
    let (dn, _) = DistinguishedName::from_written("CN=payments,O=Example Bank,C=DE").unwrap();
    criterion.bench_function("DN match", |b| b.iter(|| black_box(&dn).matches(black_box(&dn))));

    let (head, ()) = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(())
        .unwrap()
        .into_parts();
    let form = b"grant_type=client_credentials&scope=a+b&client_id=payments";
    criterion.bench_function("client_id from a form", |b| {
        b.iter(|| client_id(black_box(&head), black_box(form)).unwrap());
    });

    let reserved = Reserved::new([], []);
    criterion.bench_function("removal, nothing to remove", |b| {
        b.iter_batched_ref(
            headers,
            |headers| reserved.remove_from(headers),
            criterion::BatchSize::SmallInput,
        );
    });
    let facts = Facts::of(&identity);
    for name in Profile::built_in_names() {
        let profile = Profile::built_in(name).unwrap();
        let evidence = facts.evidence(not_verified(&identity), &[]);
        criterion.bench_function(&format!("headers of {name}"), |b| {
            b.iter(|| profile.headers(black_box(&evidence)).unwrap());
        });
    }
}

/// Credentials in a registry: an application holds two.
const SIZES: [usize; 4] = [10, 10_000, 100_000, 1_000_000];

/// A registry of so many credentials: the certificates' thumbprints, and random ones.
fn registry(credentials: usize, certificates: &[ClientCertificate]) -> Registry {
    let random = (0..credentials as u64).map(|number| Thumbprint::of(&number.to_be_bytes()));
    let mut thumbprints = certificates.iter().map(ClientCertificate::thumbprint).chain(random);
    let mut registry = Registry::default();
    for number in 0..credentials / 2 {
        let credentials = thumbprints.by_ref().take(2).map(|thumbprint| Credential {
            name: "2026-q4".into(),
            matcher: CredentialMatcher::Thumbprint(thumbprint),
            certificate: None,
            usage: Arc::default(),
        });
        let application = Application {
            client_id: ClientId::new(format!("app-{number}")),
            method: AuthMethod::SelfSignedTlsClientAuth,
            credentials: credentials.collect(),
        };
        registry.insert(Arc::new(application)).unwrap();
    }
    registry
}

fn lookup(criterion: &mut Criterion) {
    let certificates: Vec<ClientCertificate> = std::iter::repeat_with(certificate).take(10).collect();
    for size in SIZES {
        let registry = registry(size, &certificates);
        let ids: Vec<String> = registry.applications().map(|owner| owner.client_id.to_string()).collect();
        let mut ids = ids.iter().cycle();
        criterion.bench_function(&format!("application by client_id, any of {size} credentials"), |b| {
            b.iter(|| registry.application(ids.next().unwrap()).unwrap());
        });
        let mut certificates = certificates.iter().cycle();
        criterion.bench_function(&format!("owner of a certificate among {size} credentials"), |b| {
            b.iter(|| registry.candidates(certificates.next().unwrap()).next().unwrap());
        });
    }
}

criterion_group!(benches, bench, lookup);
criterion_main!(benches);
