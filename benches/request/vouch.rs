//! Removal and injection of headers.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use http::{HeaderMap, HeaderName, HeaderValue};
use mtls_edge::{
    forward::{ForwardedClient, forwarding_headers},
    header::hop::remove_hop_by_hop,
    vouch::{Evidence, Facts, Profile, Verdict},
};

use crate::snapshot::{DOMAIN, Snapshot};

/// The headers of an honest client.
fn honest() -> HeaderMap {
    let headers = [
        ("host", DOMAIN),
        ("user-agent", "billing/1.0"),
        ("accept", "application/json"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", "58"),
        ("connection", "keep-alive"),
    ];
    let headers =
        headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    HeaderMap::from_iter(headers)
}

pub fn bench(criterion: &mut Criterion) {
    let snapshot = Snapshot::new();
    let reserved = &snapshot.site.reserved;
    criterion.bench_function("hop-by-hop removal", |b| {
        b.iter_batched_ref(honest, remove_hop_by_hop, BatchSize::SmallInput);
    });
    criterion.bench_function("removal, nothing to remove", |b| {
        b.iter_batched_ref(honest, |headers| reserved.remove_from(headers), BatchSize::SmallInput);
    });
    let domain = snapshot.domain();
    let (upstream, authority) = ((&*domain.target, domain.forwarded_for), &domain.authority);
    let from = ForwardedClient::direct("192.0.2.7".parse().unwrap());
    criterion.bench_function("forwarding headers", |b| {
        b.iter_batched_ref(
            honest,
            |headers| forwarding_headers(headers, upstream, black_box(&from), authority),
            BatchSize::SmallInput,
        );
    });

    let facts = Facts::of(&snapshot.payments);
    let evidence = facts.evidence(Verdict::Verified, &[]);
    for name in Profile::built_in_names() {
        profile(criterion, &snapshot, &Profile::built_in(name).unwrap(), &evidence);
    }
}

/// Removal of forged headers, encoding (once per connection), and injection of the encoded headers (at every request).
fn profile(criterion: &mut Criterion, snapshot: &Snapshot, profile: &Profile, evidence: &Evidence<'_>) {
    let (name, reserved) = (profile.name(), &snapshot.site.reserved);
    let ours = profile.headers(evidence).unwrap();
    let inject = |headers: &mut HeaderMap| {
        for (name, value) in &ours {
            headers.insert(name, value.clone());
        }
    };
    let forged = || {
        let mut headers = honest();
        inject(&mut headers);
        headers
    };
    let mut cleaned = forged();
    reserved.remove_from(&mut cleaned);
    assert_eq!(cleaned, honest());

    criterion.bench_function(&format!("removal, headers of {name} forged"), |b| {
        b.iter_batched_ref(forged, |headers| reserved.remove_from(headers), BatchSize::SmallInput);
    });
    criterion.bench_function(&format!("encoding, headers of {name}"), |b| {
        b.iter(|| profile.headers(black_box(evidence)).unwrap());
    });
    criterion.bench_function(&format!("injection, headers of {name}"), |b| {
        b.iter_batched_ref(honest, |headers| inject(headers), BatchSize::SmallInput);
    });
}
