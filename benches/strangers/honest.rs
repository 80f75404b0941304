//! The honest client: few requests, half of them on new connections, and their latencies.

use std::{
    cell::RefCell,
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::harness::{
    client::{Client, Http1},
    outcome::Outcome,
};

/// Its address, which differs from those of the attackers.
pub const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// The longest time for a request. A failed request counts as this long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that stay open from the start.
const KEPT: usize = 4;

/// What the client saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Latencies in ascending order.
    pub latencies: Vec<Duration>,
    /// Those of requests on open connections.
    pub on_kept: Vec<Duration>,
    /// Those of requests on new connections, with their handshakes.
    pub on_new: Vec<Duration>,
    /// The number of requests that got no token.
    pub failed: usize,
    /// The first failure.
    pub failure: Option<String>,
}

impl Seen {
    /// The 99th percentile.
    pub fn p99(&self) -> Duration {
        p99(&self.latencies)
    }
}

/// The 99th percentile of latencies in ascending order.
pub fn p99(latencies: &[Duration]) -> Duration {
    let place = latencies.len() * 99 / 100;
    latencies.get(place).copied().unwrap_or_default()
}

/// The client with its open connections.
#[derive(Clone)]
pub struct Honest {
    client: Client,
    rate: u32,
    kept: Rc<RefCell<Vec<Http1>>>,
}

impl Honest {
    /// Opens its connections.
    pub async fn open(client: Client, rate: u32) -> Outcome<Self> {
        let client = client.from(SOURCE);
        let mut kept = Vec::new();
        for _ in 0..KEPT {
            kept.push(fresh(&client).await?);
        }
        Ok(Self { client, rate, kept: Rc::new(RefCell::new(kept)) })
    }

    /// Sends requests at the fixed rate while `goes_on`, however late the responses, and waits for all of them.
    pub async fn watch(&self, goes_on: impl Fn() -> bool) -> Seen {
        let mut tick = tokio::time::interval(Duration::from_secs(1) / self.rate);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut requests, mut number) = (JoinSet::new(), 0_u32);
        while goes_on() {
            tick.tick().await;
            number += 1;
            requests.spawn_local(self.clone().call(number % 2 == 0));
        }
        let mut seen = Seen::default();
        for (on_new, latency, outcome) in requests.join_all().await {
            if let Err(error) = outcome {
                seen.failed += 1;
                seen.failure.get_or_insert(error);
            }
            seen.latencies.push(latency);
            if on_new { &mut seen.on_new } else { &mut seen.on_kept }.push(latency);
        }
        for latencies in [&mut seen.latencies, &mut seen.on_kept, &mut seen.on_new] {
            latencies.sort_unstable();
        }
        seen
    }

    /// Sends one request, and returns whether it was on a new connection. An open connection that the edge has closed is replaced, as any
    /// client does.
    async fn call(self, on_new: bool) -> (bool, Duration, Outcome<()>) {
        let begin = Instant::now();
        let asked = async {
            let kept = if on_new { None } else { self.kept.borrow_mut().pop() };
            let answered = match kept {
                Some(mut connection) => connection.token().await.is_ok().then_some(connection),
                None => None,
            };
            let connection = match answered {
                Some(connection) => connection,
                None => fresh(&self.client).await?,
            };
            if !on_new {
                self.kept.borrow_mut().push(connection);
            }
            Ok(())
        };
        let outcome = tokio::time::timeout(PATIENCE, asked).await;
        let outcome = outcome.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        (on_new, if outcome.is_ok() { begin.elapsed() } else { PATIENCE }, outcome)
    }
}

/// A new connection that has got a token.
async fn fresh(client: &Client) -> Outcome<Http1> {
    let (mut connection, _) = client.http1().await?;
    connection.token().await?;
    Ok(connection)
}
