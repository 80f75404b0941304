//! Clients that send requests continuously: some move to the new credential, some do not.

use std::sync::{
    Arc, RwLock,
    atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
};

use tokio::{
    task::JoinSet,
    time::{Duration, sleep},
};

use crate::support::{Client, Credentials, Edge};

const CONNECTIONS: usize = 64;
/// Requests per connection.
const KEPT: usize = 25;
/// HTTP/1.1 and HTTP/2, with a full handshake and with a resumed one.
const KINDS: usize = 4;

type Clients = [Client; KINDS];

pub fn clients(edge: &Edge, credentials: &Credentials) -> Clients {
    let client = || Client::with(edge, credentials);
    [client(), client().http2(), client().resuming(), client().http2().resuming()]
}

/// Waits until the condition holds. Fails if a task ends before.
async fn until(tasks: &mut JoinSet<()>, happened: impl Fn() -> bool) {
    while !happened() {
        if let Some(ended) = tasks.try_join_next() {
            ended.unwrap();
            panic!("a client stopped calling");
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// The clients that move to the second credential on command.
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    /// The credential of new connections, and how often it has changed.
    current: RwLock<(usize, Clients)>,
    /// The credential with which each client is connected.
    moved: AtomicUsize,
    served: AtomicUsize,
    resumed: AtomicUsize,
    stop: AtomicBool,
}

impl Shared {
    fn turn(&self) -> usize {
        self.current.read().unwrap().0
    }

    /// Sends requests until it is stopped; every response must be 200.
    async fn call(&self, number: usize) {
        let mut turn = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let (newest, client) = {
                let current = self.current.read().unwrap();
                (current.0, current.1[number % KINDS].clone())
            };
            let mut connection = client.connect().await;
            self.resumed.fetch_add(usize::from(connection.resumed), Ordering::Relaxed);
            for request in 0..KEPT {
                if self.stop.load(Ordering::Relaxed) || self.turn() > newest {
                    break;
                }
                let answer = connection.token("billing").await;
                assert_eq!(answer.status, 200, "request {request} in turn {newest}: {answer:?}");
                self.served.fetch_add(1, Ordering::Relaxed);
            }
            if newest > turn {
                turn = newest;
                self.moved.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Load {
    /// Starts the clients, and waits until all are connected.
    pub async fn start(first: Clients) -> Self {
        let shared = Arc::new(Shared {
            current: RwLock::new((1, first)),
            moved: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for number in 0..CONNECTIONS {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { shared.call(number).await });
        }
        let mut load = Self { shared, tasks };
        load.wait_until_moved(1).await;
        load
    }

    async fn wait_until_moved(&mut self, turns: usize) {
        let shared = Arc::clone(&self.shared);
        until(&mut self.tasks, || shared.moved.load(Ordering::Relaxed) >= turns * CONNECTIONS).await;
    }

    /// Moves all clients to another credential, and waits until none uses the former one.
    pub async fn move_to(&mut self, clients: Clients) {
        let turn = self.shared.turn() + 1;
        *self.shared.current.write().unwrap() = (turn, clients);
        self.wait_until_moved(turn).await;
    }

    /// Waits for as many responses as there are connections, and for some on resumed sessions.
    pub async fn assert_continues(&mut self) {
        let shared = Arc::clone(&self.shared);
        let (served, resumed) =
            (shared.served.load(Ordering::Relaxed), shared.resumed.load(Ordering::Relaxed));
        until(&mut self.tasks, || {
            shared.served.load(Ordering::Relaxed) >= served + CONNECTIONS
                && shared.resumed.load(Ordering::Relaxed) > resumed
        })
        .await;
    }

    /// Asserts that no request was lost.
    pub async fn end(mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

const ACTIVE: u8 = 0;
/// While the edge reloads, either response is correct.
const REMOVING: u8 = 1;
const REMOVED: u8 = 2;

/// Clients that stay with the first credential, one per kind of connection.
pub struct LeftBehind {
    calls: Arc<Calls>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Calls {
    credential: AtomicU8,
    stop: AtomicBool,
    served: [AtomicUsize; KINDS],
    /// On connections from before the removal, and on later ones.
    refused_kept: [AtomicUsize; KINDS],
    refused_new: [AtomicUsize; KINDS],
    refused_resumed: AtomicUsize,
}

impl Calls {
    /// Uses one connection until it is refused, then a new one after each refusal.
    async fn call(&self, kind: usize, client: Client) {
        while !self.stop.load(Ordering::Relaxed) {
            let at_connect = self.credential.load(Ordering::SeqCst);
            let mut connection = client.connect().await;
            loop {
                let before = self.credential.load(Ordering::SeqCst);
                let answer = connection.token("billing").await;
                let after = self.credential.load(Ordering::SeqCst);
                if answer.status == 200 {
                    assert!(before != REMOVED, "served though it was removed: {answer:?}");
                    self.served[kind].fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                assert!(after != ACTIVE, "refused before it was removed: {answer:?}");
                answer.oauth_error(401, "invalid_client");
                connection.closed().await;
                let refused = if at_connect == ACTIVE { &self.refused_kept } else { &self.refused_new };
                refused[kind].fetch_add(1, Ordering::Relaxed);
                let resumed = connection.resumed && at_connect != ACTIVE;
                self.refused_resumed.fetch_add(usize::from(resumed), Ordering::Relaxed);
                break;
            }
        }
    }
}

fn all(counts: &[AtomicUsize; KINDS], least: usize) -> bool {
    counts.iter().all(|count| count.load(Ordering::Relaxed) >= least)
}

impl LeftBehind {
    /// Starts the clients, and waits until all are served.
    pub async fn start(edge: &Edge, credentials: &Credentials) -> Self {
        let (calls, mut tasks) = (Arc::new(Calls::default()), JoinSet::new());
        for (kind, client) in clients(edge, credentials).into_iter().enumerate() {
            let calls = Arc::clone(&calls);
            tasks.spawn(async move { calls.call(kind, client).await });
        }
        until(&mut tasks, || all(&calls.served, 1)).await;
        Self { calls, tasks }
    }

    /// Marks that the removal is about to be written.
    pub fn removing(&self) {
        self.calls.credential.store(REMOVING, Ordering::SeqCst);
    }

    /// Marks that the removal is in force: from now on every request must be refused.
    pub fn removed(&mut self) {
        self.calls.credential.store(REMOVED, Ordering::SeqCst);
    }

    /// Asserts that all were refused on the earlier connection, and repeatedly since.
    pub async fn end(mut self) {
        let calls = Arc::clone(&self.calls);
        until(&mut self.tasks, || {
            all(&calls.refused_kept, 1)
                && all(&calls.refused_new, 10)
                && calls.refused_resumed.load(Ordering::Relaxed) > 10
        })
        .await;
        self.calls.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}
