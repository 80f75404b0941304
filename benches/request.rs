//! Each step of a request in isolation, in the order of the pipeline: `cargo bench --bench request`.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "request/client_id.rs"]
mod client_id;
#[path = "support/edge.rs"]
mod edge;
#[path = "request/identity.rs"]
mod identity;
#[path = "request/judge.rs"]
mod judge;
#[path = "request/lookup.rs"]
mod lookup;
#[path = "request/route.rs"]
mod route;
#[path = "request/snapshot.rs"]
mod snapshot;
#[path = "request/vouch.rs"]
mod vouch;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    identity::bench,
    route::bench,
    client_id::bench,
    lookup::bench,
    judge::bench,
    vouch::bench
);
criterion_main!(benches);
