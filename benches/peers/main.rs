//! The same load on the edge and its peers: `benches/peers/install.sh`, then `cargo bench --bench peers`; with `-- --siege` the same
//! attacks. Prints figures, and asserts one thing: no attack
//! fails a request of the edge's honest client.

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
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "../strangers/honest.rs"]
mod honest;

mod all;
mod caddy;
mod envoy;
mod haproxy;
mod nginx;
mod place;
mod siege;
mod traefik;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, ValueEnum};

use harness::{contender::Contender, options::Options};
use siege::{Attack, Sizes};

/// Load on the edge and its peers. Prints figures, and asserts none.
#[derive(Debug, Parser)]
struct PeersOptions {
    #[command(flatten)]
    load: Options,
    /// Attack them instead: what an honest client notices, and what memory is left.
    #[arg(long)]
    siege: bool,
    /// Only these attacks.
    #[arg(long, value_delimiter = ',', requires = "siege")]
    attacks: Vec<Attack>,
    /// Seconds of measurement without an attack, and at least with it.
    #[arg(long, default_value_t = 5.0, requires = "siege")]
    siege_seconds: f64,
}

impl PeersOptions {
    fn attacks(&self) -> Vec<Attack> {
        let all = Attack::value_variants().iter().copied();
        all.filter(|attack| self.attacks.is_empty() || self.attacks.contains(attack)).collect()
    }

    fn sizes(&self) -> Sizes {
        let seconds = if self.load.test { 0.3 } else { self.siege_seconds };
        Sizes { time: Duration::from_secs_f64(seconds), rate: HONEST, idle: self.load.idle }
    }
}

/// Requests per second of the honest client in a siege.
const HONEST: u32 = 100;
/// Those that are attacked, besides the edge, unless `--only` names others.
const ATTACKED: &[&str] = &["nginx", "HAProxy", "Envoy"];

fn main() -> ExitCode {
    let mut options = PeersOptions::parse();
    options.load = options.load.sized();
    harness::take_core();
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &PeersOptions) -> Result<(), String> {
    let load = &options.load;
    let venv = venv();
    let mut contenders = load.edges();
    if venv.is_dir() {
        let peers = all::all(&venv).into_iter().filter(|peer| load.wants(peer.name()));
        contenders.extend(peers);
    } else if load.test {
        // CI runs the benches for a moment, without peers.
        println!("peers: none is installed, so nothing is compared; run benches/peers/install.sh");
    } else {
        return Err(format!("no peers in {}: run benches/peers/install.sh", venv.display()));
    }
    if options.siege {
        return besiege(options, contenders);
    }
    if contenders.iter().all(|contender| !contender.is_peer()) {
        return Ok(());
    }
    let rows: Vec<_> = load.rows().into_iter().filter(|row| row.is_for_peers()).collect();
    let table = harness::run("mtls-edge and its peers, one worker each", &contenders, &rows, load)?;
    println!("{table}");
    harness::write_files(load, &[table])
}

fn besiege(options: &PeersOptions, mut contenders: Vec<Box<dyn Contender>>) -> Result<(), String> {
    contenders.retain(|contender| {
        !contender.is_peer() || !options.load.only.is_empty() || ATTACKED.contains(&contender.name())
    });
    let table = siege::run(&contenders, &options.attacks(), options.sizes())?;
    println!("{table}");
    table.check()?;
    let Some(file) = &options.load.json else { return Ok(()) };
    std::fs::write(file, format!("{:#}\n", table.json()))
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// The folder into which the script installs them, beside cargo's output.
fn venv() -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_mtls-edge")).parent();
    profile.and_then(Path::parent).unwrap_or(Path::new("target")).join("peers")
}
