//! A registry of 100,000 applications with two credentials each, and one of 1,000,000 credentials: CPU time and memory of
//! the first load and of reloads, and latencies during reloads. `cargo bench --bench scale`. Prints figures, and asserts none.
//!
//! Lookups in registries of each size are in `request.rs`.

#![allow(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "scale/change.rs"]
mod change;
#[path = "support/edge.rs"]
mod edge;
#[path = "scale/load.rs"]
mod load;
#[path = "scale/process.rs"]
mod process;
#[path = "support/upstream.rs"]
mod upstream;

use std::{
    fs::OpenOptions,
    io::Write,
    thread,
    time::{Duration, Instant},
};

use edge::{Folder, applications, start, time_to_reload};
use load::Load;
use process::Process;

/// The thread that builds and swaps sites.
const RELOADER: &str = "source files";

fn main() {
    let short = std::env::args().any(|argument| argument == "--test");
    change::one_of(if short { 1000 } else { 100_000 });
    if std::env::args().any(|argument| argument == "change") {
        return;
    }
    let upstream = upstream::upstream();
    let folder = Folder::new(upstream.address);
    let (sizes, rounds, calm) = if short {
        (vec![100, 500], 1, Duration::from_millis(200))
    } else {
        (vec![100_000, 500_000], 10, Duration::from_secs(10))
    };
    for count in sizes {
        size(&folder, count, rounds, calm);
    }
}

fn size(folder: &Folder, count: usize, rounds: usize, calm: Duration) {
    folder.register(&applications(count, 0));
    let megabytes = std::fs::metadata(folder.registry()).unwrap().len() / 1_000_000;
    println!("{count} applications with two credentials each, a registry of {megabytes} MB");
    // A file that was just written is read twice at the start.
    thread::sleep(Duration::from_secs(if count > 1000 { 3 } else { 0 }));
    let edge = start(folder);
    let process = Process(edge.id());
    row("first load", process.cpu(), &process);

    let add_one = |number: usize| {
        let mut file = OpenOptions::new().append(true).open(folder.registry()).unwrap();
        let text = applications(1, count + number).replace("app-0", &format!("more-{number}"));
        file.write_all(text.as_bytes()).unwrap();
    };
    let reload = |what: &str, change: &dyn Fn(usize), rounds: usize| {
        process.forget_peak();
        let before = process.cpu_of(RELOADER);
        for round in 1..=rounds {
            time_to_reload(&edge, || change(round));
        }
        let rounds = u32::try_from(rounds).unwrap();
        row(what, process.cpu_of(RELOADER).saturating_sub(before) / rounds, &process);
    };
    reload("reload, one application added", &add_one, rounds);
    reload(
        "reload, every credential changed",
        &|round| folder.register(&applications(count, round)),
        2.min(rounds),
    );

    let load = Load::start(edge.https, folder.path());
    thread::sleep(calm);
    let without = load.end();
    let (load, start, mut reloads) = (Load::start(edge.https, folder.path()), Instant::now(), 0);
    while start.elapsed() < calm || reloads == 0 {
        reloads += 1;
        time_to_reload(&edge, || add_one(rounds + reloads));
    }
    let with = load.end();
    latencies("requests, no reload", &without);
    latencies(&format!("requests, {reloads} reloads"), &with);
    println!(
        "  p99 during reloads over p99 without: {:.2}\n",
        at(&with, 0.99).as_secs_f64() / at(&without, 0.99).as_secs_f64()
    );
}

fn row(what: &str, cpu: Duration, process: &Process) {
    let (peak, resident) = (process.peak(), process.resident());
    println!("  {what:<34} {:>6} ms of CPU, {peak:>4} MB at most, {resident:>4} MB after", cpu.as_millis());
}

fn latencies(what: &str, sorted: &[Duration]) {
    let [median, high, highest] = [0.5, 0.99, 1.0].map(|share| at(sorted, share).as_micros());
    println!("  {what:<34} p50 {median} us, p99 {high} us, longest {highest} us, of {}", sorted.len());
}

/// The latency at this quantile.
fn at(sorted: &[Duration], share: f64) -> Duration {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let index = (sorted.len() as f64 * share) as usize;
    sorted[index.min(sorted.len() - 1)]
}
