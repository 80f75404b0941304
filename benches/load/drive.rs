//! The load itself: closed loops, a fixed rate, idle connections. What the proxy spent for it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    client::{Client, Outcome},
    options::Sizes,
    process::Tree,
    rows::Row,
    running::once,
    steady::Steady,
};

/// Before anything is counted.
const WARM_UP: Duration = Duration::from_millis(300);
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

/// Measures a row.
pub async fn measure(row: Row, client: &Client, tree: Tree, sizes: &Sizes) -> Outcome<Sample> {
    match row {
        Row::Paced => paced(client, tree, sizes).await,
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

/// Requests leave at a fixed rate, each connection's in turn; latencies count from the moments at which they are due.
async fn paced(client: &Client, tree: Tree, sizes: &Sizes) -> Outcome<Sample> {
    let latencies = Rc::new(RefCell::new(Vec::new()));
    let mut queues = Vec::new();
    let mut tasks = JoinSet::new();
    for _ in 0..sizes.connections {
        let (mut connection, _) = client.http1().await?;
        connection.token().await?;
        let (queue, mut due) = tokio::sync::mpsc::unbounded_channel::<Instant>();
        queues.push(queue);
        let latencies = Rc::clone(&latencies);
        tasks.spawn_local(async move {
            while let Some(due) = due.recv().await {
                connection.token().await?;
                latencies.borrow_mut().push(due.elapsed());
            }
            Outcome::Ok(())
        });
    }
    let steady = Steady::new(tree);
    // A thread wakes in time to some ten microseconds; the runtime's own timers to a millisecond.
    let (rate, time) = (sizes.rate, sizes.time);
    let pacer = thread::spawn(move || {
        let begin = Instant::now() + WARM_UP;
        for (number, queue) in (0..).zip(queues.iter().cycle()) {
            let after = Duration::from_secs_f64((f64::from(number) + within_slot(number)) / f64::from(rate));
            if after > time {
                return;
            }
            let due = begin + after;
            #[allow(clippy::disallowed_methods, reason = "a thread of its own")]
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if queue.send(due).is_err() {
                return;
            }
        }
    });
    for outcome in tasks.join_all().await {
        outcome?;
    }
    pacer.join().map_err(|_| "the pacer panicked".to_owned())?;
    let mut latencies = latencies.take();
    latencies.sort_unstable();
    let percentile = |percent: usize| {
        let latency: &Duration = latencies.get(latencies.len() * percent / 100).ok_or("not one request")?;
        Outcome::Ok(latency.as_secs_f64() * 1e6)
    };
    Ok(Sample {
        median: Some(percentile(50)?),
        caveat: steady.lacks(),
        ..Sample::new(percentile(99)?, f64::from(sizes.rate), latencies.len() as u64)
    })
}

/// The part of its slot after which a request leaves: another one for each, so that requests don't keep step with what a machine
/// does every few milliseconds, which would hit every twentieth request of one round and none of the next. By the golden ratio,
/// parts are spread evenly and two requests keep six tenths of a slot between them.
fn within_slot(number: u32) -> f64 {
    (f64::from(number) * 0.618_033_988_749_895).fract()
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
