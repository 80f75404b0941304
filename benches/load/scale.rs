//! The cost of more workers, more applications and an upstream over TLS.

use crate::harness::{
    contender::Contender,
    edge::{Edge, Origin},
    options::Options,
    outcome::Outcome,
    rows::Row,
    run,
    table::Table,
};

/// Measures the edge with two workers, with 1,000 and 100,000 applications, and with an upstream over TLS, each beside the edge with
/// one worker, ten applications and an upstream without TLS.
///
/// # Errors
///
/// A contender that does not start, or does not do the job.
pub fn measure(options: &Options) -> Outcome<Table> {
    let rows: Vec<Row> =
        options.rows().into_iter().filter(|row| matches!(row, Row::Full | Row::Kept)).collect();
    // Fewer in a test, for time.
    let many = if options.test { 2_000 } else { 100_000 };
    let mut edges: Vec<Box<dyn Contender>> = vec![
        Box::new(options.edge()),
        Box::new(Edge { name: "2 workers", workers: 2, ..options.edge() }),
        Box::new(Edge { name: "1,000 apps", applications: 1_000, ..options.edge() }),
        Box::new(Edge { name: "100,000 apps", applications: many, ..options.edge() }),
        Box::new(Edge { name: "https", origin: Origin::Tls, ..options.edge() }),
        Box::new(Edge { name: "https, HTTP/2", origin: Origin::TlsHttp2, ..options.edge() }),
    ];
    edges.retain(|edge| options.wants(edge.name()));
    run("mtls-edge: more workers, more applications, an upstream over TLS", &edges, &rows, options)
}
