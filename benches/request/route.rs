//! The rule that matches a path.

use std::hint::black_box;

use criterion::Criterion;
use http::Method;

use crate::snapshot::Snapshot;

pub fn bench(criterion: &mut Criterion) {
    let snapshot = Snapshot::new();
    let routes = &snapshot.domain().routes;
    for (what, method, path) in [
        ("exact", Method::POST, "/oauth/token"),
        ("subtree", Method::GET, "/apps/console/assets/main.js"),
        ("subtree, encoded", Method::GET, "/apps/console/M%C3%BCnchen.js"),
    ] {
        criterion.bench_function(&format!("route match, {what}"), |b| {
            b.iter(|| routes.find(black_box(&method), black_box(path)).unwrap());
        });
    }
    criterion.bench_function("route match, none", |b| {
        b.iter(|| routes.find(&Method::GET, black_box("/favicon.ico")).unwrap_err());
    });
}
