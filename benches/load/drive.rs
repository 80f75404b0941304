//! The load itself: closed loops, idle connections. What the proxy spent for it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{client::Client, options::Sizes, outcome::Outcome, process::Tree, rows::Row, running::once};

/// Before anything is counted.
const WARM_UP: Duration = Duration::from_millis(100);
/// Handshakes under way at once.
const HANDSHAKES: usize = 8;
/// Streams at once on each connection of [`Row::Http2Streams`], and how many connections.
const STREAMS: (usize, usize) = (32, 4);

/// What was measured of one row and contender.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// In the row's unit.
    pub figure: f64,
    /// Operations in a second.
    pub rate: f64,
    /// Operations that were measured.
    pub count: u64,
    /// Of a latency, whose figure is the 99th percentile: the 50th, in microseconds.
    pub median: Option<f64>,
    /// Why the figure holds delays that are not the proxy's.
    pub caveat: Option<&'static str>,
}

impl Sample {
    const fn new(figure: f64, rate: f64, count: u64) -> Self {
        Self { figure, rate, count, median: None, caveat: None }
    }

    /// Of latencies at a rate.
    pub fn of_latencies(
        mut latencies: Vec<Duration>,
        rate: u32,
        caveat: Option<&'static str>,
    ) -> Outcome<Self> {
        latencies.sort_unstable();
        let percentile = |percent: usize| {
            let latency: &Duration =
                latencies.get(latencies.len() * percent / 100).ok_or("not one request")?;
            Outcome::Ok(latency.as_secs_f64() * 1e6)
        };
        let (median, p99) = (percentile(50)?, percentile(99)?);
        Ok(Self { median: Some(median), caveat, ..Self::new(p99, f64::from(rate), latencies.len() as u64) })
    }
}

/// Shared by the tasks of a closed loop.
#[derive(Default)]
struct Loop {
    done: Cell<u64>,
    is_over: Cell<bool>,
    failure: RefCell<Option<String>>,
}

impl Loop {
    async fn repeat(&self, mut operation: impl AsyncFnMut() -> Outcome<()>) {
        while !self.is_over.get() {
            match operation().await {
                Ok(()) => self.done.set(self.done.get() + 1),
                Err(error) => {
                    self.is_over.set(true);
                    *self.failure.borrow_mut() = Some(error);
                }
            }
        }
    }
}

/// Measures a contender's CPU time or memory.
pub async fn measure(row: Row, client: &Client, tree: Tree, sizes: &Sizes) -> Outcome<Sample> {
    match row {
        Row::Idle => idle(client, tree, sizes).await,
        _ => closed_loop(row, client, tree, sizes).await,
    }
}

async fn closed_loop(row: Row, client: &Client, tree: Tree, sizes: &Sizes) -> Outcome<Sample> {
    let state = Rc::new(Loop::default());
    let mut tasks = JoinSet::new();
    match row {
        Row::Kept => {
            for _ in 0..sizes.connections {
                let (mut connection, _) = client.http1().await?;
                let state = Rc::clone(&state);
                tasks.spawn_local(async move { state.repeat(async || connection.token().await).await });
            }
        }
        Row::Http2 | Row::Http2Streams => {
            let (streams, connections) = if row == Row::Http2 { (1, sizes.connections) } else { STREAMS };
            for _ in 0..connections {
                let connection = client.http2().await?;
                for _ in 0..streams {
                    let (state, mut connection) = (Rc::clone(&state), connection.clone());
                    tasks.spawn_local(async move { state.repeat(async || connection.token().await).await });
                }
            }
        }
        _ => {
            for _ in 0..HANDSHAKES {
                let (state, client) = (Rc::clone(&state), client.clone());
                // Each has tickets of its own, the first of them before anything is counted.
                let client = if row == Row::Resumed { client.apart() } else { client };
                if row == Row::Resumed {
                    once(&client).await?;
                }
                tasks.spawn_local(async move {
                    state.repeat(async || handshake(&client, row == Row::Resumed).await).await;
                });
            }
        }
    }
    tokio::time::sleep(WARM_UP).await;
    let (begin, cpu, done) = (Instant::now(), tree.cpu(), state.done.get());
    tokio::time::sleep(sizes.time).await;
    let (cpu, count, time) = (tree.cpu().saturating_sub(cpu), state.done.get() - done, begin.elapsed());
    state.is_over.set(true);
    tasks.join_all().await;
    if let Some(failure) = state.failure.take() {
        return Err(failure);
    }
    if count == 0 {
        return Err("not one operation in the time".to_owned());
    }
    #[allow(clippy::cast_precision_loss)]
    let per = |seconds: f64| seconds / count as f64;
    Ok(Sample::new(per(cpu.as_secs_f64() * 1e6), 1.0 / per(time.as_secs_f64()), count))
}

async fn handshake(client: &Client, resumes: bool) -> Outcome<()> {
    let (mut connection, is_resumed) = client.http1().await?;
    let answer = connection.token().await;
    connection.close().await;
    if is_resumed != resumes {
        return Err(format!("a handshake was {}resumed", if is_resumed { "" } else { "not " }));
    }
    answer
}

/// Opens connections, asks once on each, and leaves them open.
async fn idle(client: &Client, tree: Tree, sizes: &Sizes) -> Outcome<Sample> {
    // What the first connections bring into memory is not theirs.
    for _ in 0..HANDSHAKES {
        once(client).await?;
    }
    let (before, begin) = (tree.memory(), Instant::now());
    let open = Rc::new(RefCell::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for _ in 0..HANDSHAKES {
        let (client, open, count) = (client.clone(), Rc::clone(&open), sizes.idle / HANDSHAKES);
        tasks.spawn_local(async move {
            for _ in 0..count {
                let (mut connection, _) = client.http1().await?;
                connection.token().await?;
                open.borrow_mut().push(connection);
            }
            Outcome::Ok(())
        });
    }
    for outcome in tasks.join_all().await {
        outcome?;
    }
    let time = begin.elapsed();
    // Whatever is given back a moment later is given back.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = tree.memory();
    let mut open = open.take();
    // All of them are still there.
    if let Some(connection) = open.first_mut() {
        connection.token().await?;
    }
    let count = open.len();
    #[allow(clippy::cast_precision_loss)]
    let per = |all: f64| all / count as f64;
    #[allow(clippy::cast_precision_loss)]
    let figure = per(after.saturating_sub(before) as f64) / 1e3;
    for connection in open.drain(..) {
        connection.close().await;
    }
    Ok(Sample::new(figure, 1.0 / per(time.as_secs_f64()), count as u64))
}
