//! The load in closed loops and idle connections, and what it costs the proxy.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    client::Client,
    outcome::Outcome,
    process::Tree,
    rows::Row,
    running::once,
    sample::{Sample, Sizes},
};

/// The time before measurement begins.
const WARM_UP: Duration = Duration::from_millis(100);
/// Concurrent handshakes.
const HANDSHAKES: usize = 8;
/// Concurrent streams per connection of [`Row::Http2Streams`], and the number of connections.
const STREAMS: (usize, usize) = (32, 4);

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
        Row::Assertion => {
            for _ in 0..sizes.connections {
                let (mut connection, _) = client.http1().await?;
                let state = Rc::clone(&state);
                tasks.spawn_local(async move { state.repeat(async || connection.assert().await).await });
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
                // Each has its own tickets, and gets the first before measurement begins.
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
        return Err("no operation within the time".to_owned());
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

/// Opens connections, sends one request on each, and leaves them open.
async fn idle(client: &Client, tree: Tree, sizes: &Sizes) -> Outcome<Sample> {
    // The first connections allocate memory that later ones share.
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
    // Memory that is freed shortly after a request does not count.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = tree.memory();
    let mut open = open.take();
    // They are still open.
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
