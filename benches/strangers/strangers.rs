//! Each attack on each build of the edge, in turns, with an honest client before and during it.

pub mod attack;
pub mod chains;
pub mod honest;
pub mod options;
pub mod rows;
pub mod table;
pub mod target;

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::LocalSet};

use crate::harness::{
    apart::{raise_descriptors, runtime, thread},
    certificates::{Certificates, Keys},
    client::{CLASSICAL, Client},
    contender::Contender,
    cores,
    outcome::Outcome,
    progress::Progress,
    running::{self, Running},
    steady::{self, Steady},
    upstream::Upstream,
};
use attack::{Scene, Tally, attack, witness};
use chains::unknown;
use honest::Honest;
use options::Options;
use rows::Row;
use table::{Figures, Table};
use target::{Attacked, LEAVING, Target};

/// How long to wait for an attack's first completed request.
const AT_MOST: Duration = Duration::from_secs(60);

/// Measures the rows of the options.
///
/// # Errors
///
/// An edge that does not start, or does not serve the honest client before the attack.
pub fn run(options: &Options) -> Outcome<Table> {
    raise_descriptors();
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let certificates = Certificates::new(folder.path(), Keys::P256);
    let certificates = Arc::new(certificates.map_err(|error| error.to_string())?);
    let (rows, targets) = (options.rows(), options.targets());
    let mut progress = Progress::new(rows.len() * targets.len());
    let mut table = Table { seconds: options.seconds, rows: Vec::new() };
    for row in rows {
        for target in &targets {
            progress.step(row.title(), target.name);
            let figures = measure(row, target, &certificates, &upstream, options)?;
            table.rows.push((row, target.name, figures));
        }
    }
    Ok(table)
}

/// CPU time and bytes of log so far.
struct Reading {
    cpu: Duration,
    log: u64,
}

impl Reading {
    fn of(running: &Running) -> Self {
        Self { cpu: running.tree().cpu(), log: running.printed() }
    }
}

fn measure(
    row: Row,
    target: &Target,
    certificates: &Arc<Certificates>,
    upstream: &Upstream,
    options: &Options,
) -> Outcome<Figures> {
    let runtime = runtime();
    let local = LocalSet::new();
    let leaving = unknown(LEAVING);
    let attacked = Attacked {
        target,
        row,
        admin: running::free().map_err(|error| error.to_string())?,
        leaving: leaving.thumbprint(),
    };
    local.block_on(&runtime, async {
        let cores = cores();
        let core = &cores[cores.len() - 1];
        let mut running = Running::start(&attacked, certificates, upstream, core).await?;
        let client = Client::new(running.address, certificates, Some(&certificates.client), CLASSICAL);
        let honest = Honest::open(client, options.rate).await?;
        let steady = Steady::new();
        let turn = steady.turn(running.tree());

        // The warm-up is not measured.
        let warm = Instant::now() + options.time() / 5;
        honest.watch(|| Instant::now() < warm).await;
        let (begin, end) = (Reading::of(&running), Instant::now() + options.time());
        let quiet = honest.watch(|| Instant::now() < end).await;
        let before = Reading::of(&running);
        running.tree().forget_peak();
        let resting = running.tree().peak();
        let accepted = upstream.accepted();

        let scene = Scene {
            address: running.address,
            admin: attacked.admin,
            folder: running.folder().to_owned(),
            certificates: Arc::clone(certificates),
            leaving,
            crowd: options.crowd(),
        };
        let (attackers, start) = (Attackers::start(row, scene), Instant::now());
        let tally = Arc::clone(&attackers.tally);
        let continues = || {
            let since = start.elapsed();
            since < options.time() || (!tally.is_complete() && since < AT_MOST)
        };
        let meanwhile = honest.watch(continues).await;
        let (time, after, outcomes) = (start.elapsed(), Reading::of(&running), tally.outcomes());
        let peak = running.tree().peak();
        attackers.stop()?;

        let quiet_share = time.as_secs_f64() / options.time().as_secs_f64();
        let figures = Figures {
            version: attacked.version().map_err(|error| error.to_string())?,
            outcomes,
            cpu: (after.cpu.saturating_sub(before.cpu))
                .saturating_sub(before.cpu.saturating_sub(begin.cpu).mul_f64(quiet_share)),
            time,
            memory: peak.saturating_sub(resting),
            #[allow(clippy::cast_precision_loss)]
            log: (after.log - before.log) as f64 - (before.log - begin.log) as f64 * quiet_share,
            upstream: upstream.accepted() - accepted,
            quiet,
            meanwhile,
            notes: tally.notes(),
            caveat: turn.caveat,
        };
        // A busy edge would not shut down in time.
        running.kill();
        Ok(figures)
    })
}

/// A running attack and its witness, each on its own thread.
struct Attackers {
    tally: Arc<Tally>,
    threads: [(oneshot::Sender<()>, JoinHandle<()>); 2],
}

impl Attackers {
    fn start(row: Row, scene: Scene) -> Self {
        let (tally, scene) = (Arc::new(Tally::default()), Arc::new(scene));
        if row == Row::Descriptors {
            tally.begin();
        }
        let (watched, watching) = (Arc::clone(&tally), Arc::clone(&scene));
        let watching = thread(async move || witness(row, &watching, &watched).await);
        let counted = Arc::clone(&tally);
        let attacking = thread(async move || {
            steady::yield_to_others();
            attack(row, &scene, &counted).await;
        });
        Self { tally, threads: [watching, attacking] }
    }

    fn stop(self) -> Outcome<()> {
        for (stop, thread) in self.threads {
            drop(stop);
            thread.join().map_err(|_| "the attack panicked".to_owned())?;
        }
        Ok(())
    }
}
