//! Requests at a fixed rate, however late the responses.
//!
//! The speed of a shared machine drifts by a third within seconds. So contenders take turns of a tenth of a second, with their
//! connections open throughout, and the latencies of a round of many turns are combined.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};

use super::{
    client::{Client, Http1},
    outcome::Outcome,
    process::Tree,
    sample::{Sample, Sizes},
    steady::Steady,
};

/// Turns per second: measured requests are sent during one turn.
const TURNS_PER_SECOND: u32 = 10;
/// How many times longer a round is than in other rows: a high percentile needs many more requests than a sum.
const TIMES: u32 = 5;

/// A contender's connections, closed when dropped, and the latencies of a round.
pub struct Paced {
    contender: Tree,
    rate: u32,
    queues: Vec<UnboundedSender<Request>>,
    tasks: JoinSet<Outcome<()>>,
    latencies: Outcome<Vec<Duration>>,
    caveat: Option<&'static str>,
}

/// A request to be sent.
struct Request {
    /// When it is due: its latency is measured from then.
    due: Instant,
    /// Where the latency is sent, if it is measured.
    answer: Option<UnboundedSender<Duration>>,
}

/// The number of turns of a contender in a round.
pub fn turns(sizes: &Sizes) -> u32 {
    let turns = (sizes.time * TIMES).as_millis() * u128::from(TURNS_PER_SECOND) / 1000;
    u32::try_from(turns).unwrap_or(u32::MAX).max(1)
}

impl Paced {
    /// Opens connections, and sends one request on each.
    ///
    /// # Errors
    ///
    /// A connection or request that fails.
    pub async fn open(client: &Client, contender: Tree, sizes: &Sizes) -> Outcome<Self> {
        let (mut queues, mut tasks) = (Vec::new(), JoinSet::new());
        for _ in 0..sizes.connections {
            let (mut connection, _) = client.http1().await?;
            connection.token().await?;
            let (queue, requests) = unbounded_channel();
            queues.push(queue);
            tasks.spawn_local(serve(connection, requests));
        }
        Ok(Self { contender, rate: sizes.rate, queues, tasks, latencies: Ok(Vec::new()), caveat: None })
    }

    /// Its turn, the `number`th. One request on each connection is sent before the measured ones, so that the cost of starting again is
    /// not measured.
    pub async fn turn(&mut self, steady: &Steady, number: u32) {
        let Ok(latencies) = &mut self.latencies else { return };
        let turn = steady.turn(self.contender);
        self.caveat = self.caveat.or(turn.caveat);
        let (answer, mut answers) = unbounded_channel();
        let (queues, rate) = (self.queues.clone(), self.rate);
        let pacer = thread::spawn(move || pace(&queues, number, rate, &answer));
        while let Some(latency) = answers.recv().await {
            latencies.push(latency);
        }
        if pacer.join().is_err() {
            self.latencies = Err("the pacer panicked".to_owned());
        }
        // A connection's task ends early only after a failure.
        if let Some(ended) = self.tasks.try_join_next() {
            let failure = ended.map_err(|error| error.to_string()).and_then(|outcome| outcome);
            self.latencies = Err(failure.err().unwrap_or_else(|| "a connection ended".to_owned()));
        }
    }

    /// The percentiles of the round.
    ///
    /// # Errors
    ///
    /// A connection that has failed.
    pub fn sample(self) -> Outcome<Sample> {
        Sample::of_latencies(self.latencies?, self.rate, self.caveat)
    }
}

/// Requests on one connection, one after the other.
async fn serve(mut connection: Http1, mut requests: UnboundedReceiver<Request>) -> Outcome<()> {
    while let Some(Request { due, answer }) = requests.recv().await {
        connection.token().await?;
        let latency = due.elapsed();
        if let Some(answer) = answer {
            let _ = answer.send(latency);
        }
    }
    Ok(())
}

/// Sends the requests of a turn, over one connection after the other. A thread wakes within some ten microseconds of its time; the
/// runtime's timers within a millisecond.
fn pace(queues: &[UnboundedSender<Request>], number: u32, rate: u32, answer: &UnboundedSender<Duration>) {
    let before = u32::try_from(queues.len()).unwrap_or(u32::MAX);
    let all = before.saturating_add(rate.div_ceil(TURNS_PER_SECOND));
    let begin = Instant::now();
    for (place, queue) in (0..all).zip(queues.iter().cycle()) {
        let slots = f64::from(place) + within_slot(number.wrapping_mul(all).wrapping_add(place));
        let due = begin + Duration::from_secs_f64(slots / f64::from(rate));
        #[allow(clippy::disallowed_methods, reason = "its own thread")]
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let answer = (place >= before).then(|| answer.clone());
        if queue.send(Request { due, answer }).is_err() {
            return;
        }
    }
}

/// The fraction of its time slot after which a request is sent. It differs for each, so that requests do not synchronize with what a
/// machine does every few milliseconds, which would delay every twentieth request of one turn and none of the next. Multiples of the
/// golden ratio are spread evenly, and keep consecutive requests six tenths of a slot apart.
fn within_slot(number: u32) -> f64 {
    (f64::from(number) * 0.618_033_988_749_895).fract()
}
