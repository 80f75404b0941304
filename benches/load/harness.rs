//! Measures every row on every contender, in turns.
//!
//! Contenders run on one core, and the load generator and the upstream on another if there is one, so that no contender shares the
//! generator's caches. Rounds are many and short: the speed of a shared machine drifts within seconds.

pub mod apart;
pub mod baseline;
pub mod certificates;
pub mod chart;
pub mod client;
pub mod contender;
pub mod drive;
pub mod edge;
pub mod options;
pub mod outcome;
pub mod paced;
pub mod process;
pub mod progress;
pub mod rows;
pub mod running;
pub mod sample;
pub mod steady;
pub mod table;
pub mod upstream;

use std::{
    collections::HashMap,
    path::Path,
    process::{Command, ExitCode},
};

use tokio::task::LocalSet;

use certificates::{Certificates, Keys};
use client::Client;
use contender::Contender;
use drive::measure;
use options::Options;
use outcome::Outcome;
use paced::Paced;
use progress::Progress;
use rows::Row;
use running::Running;
use steady::Steady;
use table::{Measured, Table};
use upstream::Upstream;

/// Handshakes per baseline.
const BASELINE: usize = 500;

/// Measures these rows of these contenders. The others are compared with the first contender.
///
/// # Errors
///
/// A contender that does not start, or does not do the job. One that fails in a single row has no figure there, but a note.
pub fn run(
    title: &str,
    contenders: &[Box<dyn Contender>],
    rows: &[Row],
    options: &Options,
) -> Outcome<Table> {
    let upstream = Upstream::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    LocalSet::new().block_on(&runtime, async {
        let mut run = Run::new(contenders, rows, options, upstream).await?;
        let mut measured = Vec::new();
        for row in rows {
            measured.push(run.row(*row).await?);
        }
        let mut contenders = Vec::new();
        for contender in run.contenders {
            contenders.push((contender.name(), contender.version().map_err(|error| error.to_string())?));
        }
        Ok(Table { title: title.to_owned(), contenders, rows: measured })
    })
}

/// Reads the command line, measures, and prints errors. Must be called first.
pub fn main(measure: fn(&Options) -> Outcome<()>) -> ExitCode {
    let options = Options::read();
    take_core();
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Pins this process to the first core. Must be called before any thread is started.
pub fn take_core() {
    let cores = cores();
    if cores.len() > 1 {
        let id = std::process::id().to_string();
        let pinned = Command::new("taskset").args(["-p", "-c", &cores[0], &id]).output();
        assert!(pinned.is_ok_and(|output| output.status.success()), "taskset (util-linux) cannot pin");
    }
}

/// Writes the files that the options ask for.
///
/// # Errors
///
/// A file that cannot be written.
pub fn write_files(options: &Options, tables: &[Table]) -> Outcome<()> {
    let write = |file: &Path, text: String| {
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
    };
    if let Some(file) = &options.json {
        write(file, format!("{:#}\n", table::json(tables)))?;
    }
    if let Some(file) = &options.svg {
        write(file, chart::svg(tables))?;
    }
    Ok(())
}

/// The cores of this machine.
pub fn cores() -> Vec<String> {
    let count =
        std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("\nprocessor").count() + 1;
    (0..count.max(1)).map(|core| core.to_string()).collect()
}

struct Run<'a> {
    contenders: Vec<&'a dyn Contender>,
    certificates: HashMap<Keys, Certificates>,
    running: HashMap<(usize, Keys), Running>,
    options: &'a Options,
    upstream: Upstream,
    progress: Progress,
    folder: tempfile::TempDir,
}

impl<'a> Run<'a> {
    async fn new(
        contenders: &'a [Box<dyn Contender>],
        rows: &[Row],
        options: &'a Options,
        upstream: Upstream,
    ) -> Outcome<Self> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let contenders: Vec<_> = contenders.iter().map(|contender| &**contender).collect();
        let progress = Progress::new(rows.len() * options.rounds * contenders.len());
        let mut run = Self {
            contenders,
            certificates: HashMap::new(),
            running: HashMap::new(),
            options,
            upstream,
            progress,
            folder,
        };
        for keys in [Keys::P256, Keys::Rsa2048] {
            if !rows.iter().any(|row| row.keys() == keys) {
                continue;
            }
            let folder = run.folder.path().join(format!("{keys:?}"));
            let certificates = Certificates::new(&folder, keys).map_err(|error| error.to_string())?;
            run.certificates.insert(keys, certificates);
            for (index, contender) in run.contenders.clone().into_iter().enumerate() {
                run.progress.say(&format!("{} starts, and is checked", contender.name()));
                let running = run.start(contender, keys).await?;
                let checked = running.check(contender, &run.certificates[&keys], &run.upstream).await;
                checked.map_err(|error| format!("{}: {error}", contender.name()))?;
                run.running.insert((index, keys), running);
            }
        }
        Ok(run)
    }

    async fn start(&self, contender: &dyn Contender, keys: Keys) -> Outcome<Running> {
        let cores = cores();
        let own = if contender.workers() > 1 { cores.join(",") } else { cores[cores.len() - 1].clone() };
        Running::start(contender, &self.certificates[&keys], &self.upstream, &own).await
    }

    async fn row(&mut self, row: Row) -> Outcome<Measured> {
        let (sizes, certificates) = (self.options.sizes(), &self.certificates[&row.keys()]);
        let baseline =
            row.has_baseline().then(|| baseline::handshake_time(certificates, row.kind(), BASELINE));
        let mut measured = Measured::new(row, baseline, &self.contenders);
        if row == Row::Paced {
            for round in 0..self.options.rounds {
                self.paced_round(round, &mut measured).await;
            }
            return Ok(measured);
        }
        // A process that has had connections before would need less memory for new ones.
        let rounds = if row == Row::Idle { 1 } else { self.options.rounds };
        for round in 0..rounds {
            for turn in 0..self.contenders.len() {
                let index = (turn + round) % self.contenders.len();
                let contender = self.contenders[index];
                self.progress.step(row.title(), contender.name());
                if measured.has_failed(index) {
                    continue;
                }
                let fresh =
                    if row == Row::Idle { Some(self.start(contender, row.keys()).await?) } else { None };
                let running = fresh.as_ref().unwrap_or(&self.running[&(index, row.keys())]);
                let client =
                    Client::new(running.address, certificates, Some(&certificates.client), row.kind());
                measured.add(index, measure(row, &client, running.tree(), &sizes).await);
            }
        }
        self.progress.skip((self.options.rounds - rounds) * self.contenders.len());
        Ok(measured)
    }

    /// One round of latencies at a fixed rate, in many short turns.
    async fn paced_round(&mut self, round: usize, measured: &mut Measured) {
        let (row, sizes) = (measured.row, self.options.sizes());
        let certificates = &self.certificates[&row.keys()];
        let mut open = Vec::new();
        for (index, contender) in self.contenders.iter().enumerate() {
            self.progress.step(row.title(), contender.name());
            if measured.has_failed(index) {
                continue;
            }
            let running = &self.running[&(index, row.keys())];
            let client = Client::new(running.address, certificates, Some(&certificates.client), row.kind());
            match Paced::open(&client, running.tree(), &sizes).await {
                Ok(paced) => open.push((index, paced)),
                Err(error) => measured.add(index, Err(error)),
            }
        }
        let (steady, turns) = (Steady::new(), paced::turns(&sizes));
        for turn in 0..turns {
            self.progress.say(&format!("{}: round {}, turn {turn} of {turns}", row.title(), round + 1));
            for place in 0..open.len() {
                let place = (place + round) % open.len();
                open[place].1.turn(&steady, turn).await;
            }
        }
        for (index, paced) in open {
            measured.add(index, paced.sample());
        }
    }
}
