//! Whether the certificate of a connection is the named client's, with unchanged trust.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use mtls_edge::{
    authenticate::{AssertionRules, Attempt, ChainSlot, Mechanism, Presented, RefusalCache, judge_client},
    replay::ReplayStore,
    trust::ClientId,
};

use crate::snapshot::{Snapshot, now};

pub fn bench(criterion: &mut Criterion) {
    let Snapshot { site, billing, payments } = Snapshot::new();
    let now = now();
    let used = ReplayStore::new(now);
    let judge = |(chain, refusals): &(ChainSlot, RefusalCache), id: &ClientId, certificate| {
        let presented = Presented { certificate: black_box(certificate), chain, refusals };
        let attempt = Attempt {
            client_id: black_box(id),
            mechanism: Mechanism::Certificate,
            presented: Some(Ok(presented)),
            assertions: AssertionRules { issuer: None, fapi: false, used: &used, limit: 0 },
            now,
        };
        judge_client(black_box(&site.trust), attempt)
    };
    let [by_thumbprint, by_subject] = ["billing", "payments"].map(ClientId::new);
    let memory = <(ChainSlot, RefusalCache)>::default;

    let known = memory();
    criterion.bench_function("judging a kept connection, thumbprint", |b| {
        b.iter(|| judge(&known, &by_thumbprint, &billing).unwrap());
    });
    judge(&known, &by_subject, &payments).unwrap();
    criterion.bench_function("judging a kept connection, chain known", |b| {
        b.iter(|| judge(&known, &by_subject, &payments).unwrap());
    });
    criterion.bench_function("judging the first request of a chain", |b| {
        b.iter_batched_ref(
            memory,
            |memory| judge(memory, &by_subject, &payments).unwrap(),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("judging a kept connection, refused", |b| {
        b.iter(|| judge(&known, &by_thumbprint, &payments).unwrap_err());
    });
}
