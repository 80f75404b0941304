//! Attacks on the edge and its peers, one after the other: what an honest client notices, and what memory is left.

mod attack;
mod connections;
mod handshakes;
mod scene;
mod table;

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::LocalSet};

use crate::{
    harness::{
        apart::{raise_descriptors, runtime, thread},
        certificates::{Certificates, Keys},
        client::{CLASSICAL, Client},
        contender::Contender,
        cores,
        outcome::Outcome,
        progress::Progress,
        running::Running,
        steady::{self, Steady},
        upstream::Upstream,
    },
    honest::Honest,
};
pub use attack::Attack;
use scene::{Scene, Tally};
use table::Figures;
pub use table::Table;

/// The longest time until an attack has opened its connections.
const AT_MOST: Duration = Duration::from_secs(90);
/// How long memory may take to return to what it was, and how near it must come.
const RECOVERY: Duration = Duration::from_secs(40);
/// See [`RECOVERY`].
const NEAR: f64 = 1.1;

/// The sizes of a siege.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// How long the honest client is measured without the attack, and at least with it.
    pub time: Duration,
    /// Requests per second of the honest client, every other one on a new connection.
    pub rate: u32,
    /// Idle connections.
    pub idle: usize,
}

/// Measures these attacks on these contenders.
///
/// # Errors
///
/// A contender that does not start, or does not serve the honest client before an attack.
pub fn run(contenders: &[Box<dyn Contender>], attacks: &[Attack], sizes: Sizes) -> Outcome<Table> {
    raise_descriptors();
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let certificates = Certificates::new(folder.path(), Keys::P256);
    let certificates = Arc::new(certificates.map_err(|error| error.to_string())?);
    let mut progress = Progress::new(attacks.len() * contenders.len());
    let mut table = Table { sizes, versions: Vec::new(), rows: Vec::new() };
    for contender in contenders {
        table.versions.push(contender.version().map_err(|error| error.to_string())?);
    }
    for attack in attacks {
        for contender in contenders {
            progress.step(attack.title(), contender.name());
            let figures = measure(*attack, &**contender, &certificates, &upstream, sizes)
                .map_err(|error| format!("{}, {}: {error}", attack.title(), contender.name()))?;
            table.rows.push((*attack, contender.name(), figures));
        }
    }
    Ok(table)
}

fn measure(
    attack: Attack,
    contender: &dyn Contender,
    certificates: &Arc<Certificates>,
    upstream: &Upstream,
    sizes: Sizes,
) -> Outcome<Figures> {
    LocalSet::new().block_on(&runtime(), async {
        let cores = cores();
        let mut running = Running::start(contender, certificates, upstream, &cores[cores.len() - 1]).await?;
        let client = Client::new(running.address, certificates, Some(&certificates.client), CLASSICAL);
        let honest = Honest::open(client, sizes.rate).await?;
        let steady = Steady::for_busy(cores.len() - 1);
        let turn = steady.turn(running.tree());
        // The warm-up, with a small attack, is not measured.
        let scene = |idle| Scene {
            address: running.address,
            certificates: Arc::clone(certificates),
            idle,
            tally: Arc::default(),
        };
        let small = Attackers::start(Attack::Idle, scene(sizes.idle / 20));
        honest.watch(|| !small.tally.is_complete()).await;
        small.stop()?;
        let warm = Instant::now() + sizes.time;
        honest.watch(|| Instant::now() < warm).await;
        let end = Instant::now() + sizes.time;
        let quiet = honest.watch(|| Instant::now() < end).await;
        let tree = running.tree();
        let before = tree.memory();
        tree.forget_peak();

        let attackers = Attackers::start(attack, scene(sizes.idle));
        let tally = Arc::clone(&attackers.tally);
        let start = Instant::now();
        let continues = || {
            let since = start.elapsed();
            since < sizes.time || (!tally.is_complete() && since < AT_MOST)
        };
        let meanwhile = honest.watch(continues).await;
        let time = start.elapsed();
        let peak = tree.peak();
        attackers.stop()?;

        let near = |memory: u64| {
            #[allow(clippy::cast_precision_loss)]
            let (memory, before) = (memory as f64, before as f64);
            memory <= before * NEAR
        };
        let (ended, mut after) = (Instant::now(), tree.memory());
        while !near(after) && ended.elapsed() < RECOVERY {
            let pause = Instant::now() + Duration::from_millis(500);
            honest.watch(|| Instant::now() < pause).await;
            after = tree.memory();
        }
        let recovered = near(after).then(|| ended.elapsed());
        let figures = Figures {
            quiet,
            meanwhile,
            time,
            outcomes: tally.outcomes(),
            memory: [before, peak, after],
            recovered,
            caveat: turn.caveat,
        };
        // A busy one would not shut down in time.
        running.kill();
        Ok(figures)
    })
}

/// A running attack, on its own thread.
struct Attackers {
    tally: Arc<Tally>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Attackers {
    fn start(attack: Attack, scene: Scene) -> Self {
        let tally = Arc::clone(&scene.tally);
        let (stop, thread) = thread(async move || {
            steady::yield_to_others();
            attack::run(attack, &scene).await;
        });
        Self { tally, stop, thread }
    }

    fn stop(self) -> Outcome<()> {
        drop(self.stop);
        self.thread.join().map_err(|_| "the attack panicked".to_owned())
    }
}
