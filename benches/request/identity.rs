//! Parsing a client certificate, on an identity cache miss.

use std::{hint::black_box, slice::from_ref};

use criterion::Criterion;
use mtls_edge::identity::{ClientCertificate, DistinguishedName, Thumbprint};

use crate::snapshot::Snapshot;

pub fn bench(criterion: &mut Criterion) {
    let Snapshot { payments, .. } = Snapshot::new();
    let der = payments.der();
    criterion.bench_function("identity from DER", |b| {
        b.iter(|| ClientCertificate::from_chain(black_box(from_ref(der))).unwrap());
    });
    criterion.bench_function("thumbprint", |b| b.iter(|| Thumbprint::of(black_box(der))));
    let (same, _) = DistinguishedName::parse("CN=payments,O=Example Bank,C=DE").unwrap();
    let (other, _) = DistinguishedName::parse("CN=payment,O=Example Bank,C=DE").unwrap();
    for (what, registered) in [("the same", &same), ("another", &other)] {
        assert_eq!(registered.matches(payments.subject()), what == "the same");
        criterion.bench_function(&format!("DN match, {what}"), |b| {
            b.iter(|| black_box(registered).matches(black_box(payments.subject())));
        });
    }
}
