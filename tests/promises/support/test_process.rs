//! An edge whose clock a test sets.
//!
//! The program has no way to be given another time: that would be a hole. So the test binary runs itself as the edge: the same
//! composition root as `run`, with a [`FixedClock`]. It is a process like any other, with its own log and signals.

use std::{
    io::{BufRead, Write},
    path::Path,
    process::{ChildStdin, Command},
};

use mtls_edge::{
    clock::{Clock, FixedClock, Timestamp},
    config::render,
    edge::Edge,
    observe::start_log,
    source::files::InitialBuild,
};
use tokio::signal::unix::{SignalKind, signal};

/// Names the configuration to the process; without it [`process`] is a test that has nothing to do.
const CONFIG: &str = "MTLS_EDGE_TEST_CONFIG";
const WORKERS: &str = "MTLS_EDGE_TEST_WORKERS";
/// What is logged once the clock was set.
pub const CLOCK_SET: &str = "clock set";

/// This test binary, to be run as the edge.
pub fn program(config: &Path, workers: usize) -> Command {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program
        .args(["--exact", "support::set_clock::process", "--nocapture"])
        .env(CONFIG, config)
        .env(WORKERS, workers.to_string());
    program
}

/// Sets the clock of a process that [`program`] has started.
pub fn set(stdin: &mut ChildStdin, time: Timestamp) {
    writeln!(stdin, "{}", time.unix()).unwrap();
}

/// The edge's process. Each line of its standard input is a time in seconds since 1970; the first is the time of the start.
#[test]
fn process() {
    let Some(config) = std::env::var_os(CONFIG) else { return };
    let workers = std::env::var(WORKERS).unwrap().parse().unwrap();
    let mut times = std::io::stdin().lock().lines().map(|line| {
        let seconds = line.unwrap().parse().unwrap();
        Timestamp::from_unix(seconds)
    });
    let clock = FixedClock::new(times.next().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut terminate = {
        let _entered = runtime.enter();
        signal(SignalKind::terminate()).unwrap()
    };
    start_log().unwrap();
    let initial = InitialBuild::new(Path::new(&config), Clock::Fixed(clock.clone()))
        .unwrap_or_else(|problems| panic!("{}", render(&problems, false)));
    let edge = Edge::start(initial, Some(workers)).unwrap();
    for address in edge.https() {
        tracing::info!(target: "mtls_edge", %address, "HTTPS listener ready");
    }
    tracing::info!(target: "mtls_edge", address = %edge.admin(), "admin listener ready");
    drop(times);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            clock.set(Timestamp::from_unix(line.parse().unwrap()));
            tracing::info!(target: "mtls_edge", "{CLOCK_SET}");
        }
    });
    runtime.block_on(terminate.recv());
    edge.stop().unwrap();
}
