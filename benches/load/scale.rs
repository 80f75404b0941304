//! What more workers and more applications change.

use crate::harness::{
    client::Outcome, contender::Contender, edge::Edge, options::Options, rows::Row, run, table::Table,
};

/// Measures the edge with two workers, and with 1,000 and 100,000 applications, each beside one worker and ten applications.
///
/// # Errors
///
/// A contender that does not start, or does not do the job.
pub fn measure(options: &Options) -> Outcome<Table> {
    let rows: Vec<Row> =
        options.rows().into_iter().filter(|row| matches!(row, Row::Full | Row::Kept)).collect();
    // In a test: as many as it has time for.
    let many = if options.test { 2_000 } else { 100_000 };
    let mut edges: Vec<Box<dyn Contender>> = vec![
        Box::new(options.edge()),
        Box::new(Edge { name: "2 workers", workers: 2, ..options.edge() }),
        Box::new(Edge { name: "1,000 apps", applications: 1_000, ..options.edge() }),
        Box::new(Edge { name: "100,000 apps", applications: many, ..options.edge() }),
    ];
    edges.retain(|edge| options.wants(edge.name()));
    run("mtls-edge: more workers, more applications", &edges, &rows, options)
}
