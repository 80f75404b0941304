//! Instructions of the edge's worker per operation, counted by callgrind and compared with `instructions.toml`. Counts do
//! not depend on noise. `cargo bench --bench instructions`; `-- --record` updates the record.
//!
//! The real program runs under valgrind with one worker, and a client outside of it does one operation at a time. The difference of
//! a long and a short run, divided by the operations, repeats within 0.1 %.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "instructions/callgrind.rs"]
mod callgrind;
#[path = "instructions/client.rs"]
mod client;
#[path = "support/edge.rs"]
mod edge;
#[path = "instructions/record.rs"]
mod record;
#[path = "support/upstream.rs"]
mod upstream;
#[path = "instructions/verdict.rs"]
mod verdict;

use std::process::{Command, ExitCode};

use client::{Operation, perform};
use edge::{Folder, PROGRAM, start_under};
use record::{Counts, Record, made_with};
use rustls::crypto::aws_lc_rs::kx_group::{X25519, X25519MLKEM768};
use verdict::{Finding, Report, Verdict};

struct Scenario {
    name: &'static str,
    /// Its name in the record.
    title: &'static str,
    operation: Operation,
    /// Operations in the short and in the long run.
    times: [usize; 2],
    /// Further lines of the configuration.
    settings: &'static str,
}

/// The scenario without traces, and the one that differs only in them.
const TRACES: [&str; 2] = ["http1", "http1-traces"];
/// What traces may add to a request, in thousandths. Most of it is the field for the upstream, which is written for each request: an upstream
/// without it would decide by itself and export each of its traces.
const TRACES_COST: u64 = 10;

const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "http1",
        title: "HTTP/1.1 request, kept alive",
        operation: Operation::Http1,
        times: [250, 4250],
        settings: "",
    },
    Scenario {
        name: "http1-traces",
        title: "HTTP/1.1 request, kept alive, 1 % traced",
        operation: Operation::Http1,
        times: [250, 4250],
        // Nobody listens there: the exporter has a thread of its own.
        settings: "\n[traces]\nendpoint = \"http://127.0.0.1:9\"\nsample = 0.01\n",
    },
    Scenario {
        name: "http2",
        title: "HTTP/2 request, one stream at a time",
        operation: Operation::Http2,
        times: [250, 1250],
        settings: "",
    },
    Scenario {
        name: "full",
        title: "full handshake by X25519, one request",
        operation: Operation::Full(X25519),
        times: [25, 125],
        settings: "",
    },
    Scenario {
        name: "full-post-quantum",
        title: "full handshake by X25519MLKEM768, one request",
        operation: Operation::Full(X25519MLKEM768),
        times: [25, 125],
        settings: "",
    },
    Scenario {
        name: "resumed",
        title: "resumed handshake by X25519, one request",
        operation: Operation::Resumed,
        times: [25, 125],
        settings: "",
    },
];

fn main() -> ExitCode {
    let has_flag = |flag: &str| std::env::args().any(|argument| argument == flag);
    let upstream = upstream::upstream();
    let folder = |settings: &str| {
        let folder = Folder::new(upstream.address);
        folder.edit(|text| text.replace("# workers = 4", "workers = 1") + settings);
        folder
    };
    if has_flag("--test") {
        smoke_test(folder);
        return ExitCode::SUCCESS;
    }
    if callgrind::version().is_none() {
        eprintln!("instructions cannot be counted: valgrind is missing; install the package \"valgrind\"");
        return if std::env::var_os("CI").is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let recorded = Record::read();
    let mut findings = Vec::new();
    for Scenario { name, title, operation, times, settings } in &SCENARIOS {
        let folder = folder(settings);
        let load = |times: usize, address| perform(*operation, times, address, folder.path());
        let counted = callgrind::difference(&folder, name, *times, load);
        let count = counted.worker / (times[1] - times[0]) as u64;
        let verdict = Verdict::of(count, recorded.counts.get(*title).copied());
        println!("{title:<48} {count:>9} instructions, {verdict}");
        findings.push(Finding { title, count, verdict, profile: counted.profile });
    }
    if has_flag("--record") {
        let counts = findings.iter().map(|finding| (finding.title.to_owned(), finding.count));
        Record { made_with: made_with(), counts: counts.collect::<Counts>() }.write();
        println!("recorded in {}", Record::path().display());
        return ExitCode::SUCCESS;
    }
    let report = Report::of(&findings, &recorded.other_tools());
    for line in report.lines {
        eprintln!("{line}");
    }
    let counts = TRACES.map(|name| {
        let index = SCENARIOS.iter().position(|scenario| scenario.name == name).unwrap();
        findings[index].count
    });
    let is_cheap = traces_are_cheap(counts);
    if report.fails || !is_cheap { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints what traces add to a request, and returns whether that is little enough. Both counts are of this run, so that any tools do.
fn traces_are_cheap([without, with]: [u64; 2]) -> bool {
    #[allow(clippy::cast_precision_loss)]
    let added = 100.0 * (with as f64 / without as f64 - 1.0);
    let is_cheap = with * 1000 <= without * (1000 + TRACES_COST);
    let verdict = if is_cheap { "as expected" } else { "error: more than expected" };
    #[allow(clippy::cast_precision_loss)]
    let most = TRACES_COST as f64 / 10.0;
    println!("traces add {added:+.2} % to a kept-alive request, at most {most} %: {verdict}");
    is_cheap
}

/// Runs each scenario briefly without valgrind, to see that it works.
fn smoke_test(folder: impl Fn(&str) -> Folder) {
    for Scenario { title, operation, settings, .. } in &SCENARIOS {
        let folder = folder(settings);
        let edge = start_under(Command::new(PROGRAM), &folder);
        perform(*operation, 2, edge.https, folder.path());
        edge.stop();
        println!("{title}: works");
    }
}
