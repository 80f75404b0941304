//! Load on the edge, from end to end: `cargo bench --bench load`. Prints figures, asserts none.
//!
//! Starts an upstream, the edge and clients with real mutual TLS. `-- --help` lists what can be asked for.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

// By its path, so that its modules are found from here as from `benches/peers`.
#[path = "harness.rs"]
mod harness;

use std::process::ExitCode;

use harness::{contender::Contender, edge::Edge, options::Options, rows::Row};

fn main() -> ExitCode {
    harness::main(measure)
}

fn measure(options: &Options) -> Result<(), String> {
    let table = harness::run("mtls-edge, one worker", &options.edges(), &options.rows(), options)?;
    println!("{table}");
    options.keep(&table)?;

    // What more workers and more applications change, each compared with one worker and ten applications.
    let rows: Vec<Row> =
        options.rows().into_iter().filter(|row| matches!(row, Row::Full | Row::Kept)).collect();
    let many = if options.test { 1_000 } else { 100_000 };
    let mut scaled: Vec<Box<dyn Contender>> = vec![
        Box::new(Edge::default()),
        Box::new(Edge { name: "2 workers", workers: 2, ..Edge::default() }),
        Box::new(Edge { name: "1,000 apps", applications: 1_000, ..Edge::default() }),
        Box::new(Edge { name: "100,000 apps", applications: many, ..Edge::default() }),
    ];
    scaled.retain(|edge| options.wants(edge.name()));
    println!("{}", harness::run("mtls-edge: more workers, more applications", &scaled, &rows, options)?);
    Ok(())
}
