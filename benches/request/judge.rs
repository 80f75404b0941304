//! Whether the certificate of a connection is the named client's: at every request, under a generation that did not change.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use mtls_edge::{
    authenticate::{ChainCache, judge_client},
    trust::ClientId,
};

use crate::snapshot::{Snapshot, now};

pub fn bench(criterion: &mut Criterion) {
    let Snapshot { site, billing, payments } = Snapshot::new();
    let now = now();
    let judge = |chains: &ChainCache, id: &ClientId, certificate| {
        judge_client(black_box(&site.trust), chains, black_box(certificate), black_box(id), now)
    };
    let [by_thumbprint, by_subject] = ["billing", "payments"].map(ClientId::new);

    let chains = ChainCache::new(10);
    criterion.bench_function("judging a kept connection, thumbprint", |b| {
        b.iter(|| judge(&chains, &by_thumbprint, &billing).unwrap());
    });
    judge(&chains, &by_subject, &payments).unwrap();
    criterion.bench_function("judging a kept connection, chain known", |b| {
        b.iter(|| judge(&chains, &by_subject, &payments).unwrap());
    });
    criterion.bench_function("judging the first request of a chain", |b| {
        b.iter_batched_ref(
            || ChainCache::new(10),
            |chains| judge(chains, &by_subject, &payments).unwrap(),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("judging a kept connection, refused", |b| {
        b.iter(|| judge(&chains, &by_thumbprint, &payments).unwrap_err());
    });
}
