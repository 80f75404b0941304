//! The cost of attacks by unauthenticated clients: `cargo bench --bench strangers`. Prints figures, and asserts none.
//!
//! Each row is one attack on its own edge with one worker: the CPU, memory and log per hostile request, and the latency of an honest
//! client before and during the attack. `-- --help` lists the options.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "../load/harness.rs"]
mod harness;
#[path = "strangers.rs"]
mod strangers;

use std::process::ExitCode;

use clap::Parser;

use strangers::options::Options;

fn main() -> ExitCode {
    let options = Options::parse().sized();
    harness::take_core();
    let outcome = strangers::run(&options).and_then(|table| {
        println!("{table}");
        options.write_file(&table)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
