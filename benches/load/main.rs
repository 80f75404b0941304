//! Load on the edge, end to end: `cargo bench --bench load`. Prints figures, and asserts none.
//!
//! Starts an upstream, the edge and clients with mutual TLS. `-- --help` lists the options.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

// By its path, so that its modules are found from here and from `benches/peers`.
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
    harness::write_files(options, &[table, scaled])
}
