//! The same load on the edge and its peers: `benches/peers/install.sh`, then `cargo bench --bench peers`. Prints figures, and
//! asserts none.

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

mod all;
mod caddy;
mod envoy;
mod haproxy;
mod nginx;
mod place;
mod traefik;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use harness::options::Options;

fn main() -> ExitCode {
    harness::main(measure)
}

fn measure(options: &Options) -> Result<(), String> {
    let venv = venv();
    if !venv.is_dir() {
        // CI runs the benches for a moment, without peers.
        if options.test {
            println!("peers: none is installed, so nothing is compared; run benches/peers/install.sh");
            return Ok(());
        }
        return Err(format!("no peers in {}: run benches/peers/install.sh", venv.display()));
    }
    let mut contenders = options.edges();
    contenders.extend(all::all(&venv).into_iter().filter(|peer| options.wants(peer.name())));
    let rows: Vec<_> = options.rows().into_iter().filter(|row| row.is_for_peers()).collect();
    let table = harness::run("mtls-edge and its peers, one worker each", &contenders, &rows, options)?;
    println!("{table}");
    harness::write_files(options, &[table])
}

/// The folder into which the script installs them, beside cargo's output.
fn venv() -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_mtls-edge")).parent();
    profile.and_then(Path::parent).unwrap_or(Path::new("target")).join("peers")
}
