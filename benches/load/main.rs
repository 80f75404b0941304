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
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "harness.rs"]
mod harness;
mod scale;

use std::process::ExitCode;

use harness::options::Options;

fn main() -> ExitCode {
    harness::main(measure)
}

fn measure(options: &Options) -> Result<(), String> {
    let table = harness::run("mtls-edge, one worker", &options.edges(), &options.rows(), options)?;
    println!("{table}");

    let scaled = scale::measure(options)?;
    println!("{scaled}");
    options.keep(&[table, scaled])
}
