//! Requests at a fixed rate, whatever becomes of those before.
//!
//! What a shared machine gives drifts by a third within seconds. So contenders take turns of a tenth of a second, with their
//! connections open all the while, and what a round of many turns gives is put together.

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
    drive::Sample,
    options::Sizes,
    outcome::Outcome,
    process::Tree,
    steady::Steady,
};

/// A turn is that part of a second in which the requests that count leave.
const TURNS_A_SECOND: u32 = 10;
/// How many times as long as of other rows a round is: a percentile of the slowest takes many more to settle than a sum.
const TIMES: u32 = 5;

/// A contender's connections, closed when dropped, and what was measured of it in a round.
pub struct Paced {
    contender: Tree,
    rate: u32,
    queues: Vec<UnboundedSender<Request>>,
    tasks: JoinSet<Outcome<()>>,
    latencies: Outcome<Vec<Duration>>,
    caveat: Option<&'static str>,
}

/// A request that is to leave.
struct Request {
    /// From then on its latency counts.
    due: Instant,
    /// Where the latency is told, if it counts.
    answer: Option<UnboundedSender<Duration>>,
}

/// The turns of a contender in a round.
pub fn turns(sizes: &Sizes) -> u32 {
    let turns = (sizes.time * TIMES).as_millis() * u128::from(TURNS_A_SECOND) / 1000;
    u32::try_from(turns).unwrap_or(u32::MAX).max(1)
}

impl Paced {
    /// Opens connections, and asks once on each.
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

    /// Its turn, the `number`th. One request on each connection goes before those that count: what it takes to begin again is not
    /// measured.
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
        // A connection's task ends early only where something went wrong.
        if let Some(ended) = self.tasks.try_join_next() {
            let failure = ended.map_err(|error| error.to_string()).and_then(|outcome| outcome);
            self.latencies = Err(failure.err().unwrap_or_else(|| "a connection ended".to_owned()));
        }
    }

    /// What was measured.
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

/// Lets the requests of a turn leave, each connection's in turn. A thread wakes in time to some ten microseconds; the runtime's own
/// timers to a millisecond.
fn pace(queues: &[UnboundedSender<Request>], number: u32, rate: u32, answer: &UnboundedSender<Duration>) {
    let before = u32::try_from(queues.len()).unwrap_or(u32::MAX);
    let all = before.saturating_add(rate.div_ceil(TURNS_A_SECOND));
    let begin = Instant::now();
    for (place, queue) in (0..all).zip(queues.iter().cycle()) {
        let slots = f64::from(place) + within_slot(number.wrapping_mul(all).wrapping_add(place));
        let due = begin + Duration::from_secs_f64(slots / f64::from(rate));
        #[allow(clippy::disallowed_methods, reason = "a thread of its own")]
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let answer = (place >= before).then(|| answer.clone());
        if queue.send(Request { due, answer }).is_err() {
            return;
        }
    }
}

/// The part of its slot after which a request leaves: another one for each, so that requests don't keep step with what a machine
/// does every few milliseconds, which would hit every twentieth request of one turn and none of the next. By the golden ratio,
/// parts are spread evenly and two requests keep six tenths of a slot between them.
fn within_slot(number: u32) -> f64 {
    (f64::from(number) * 0.618_033_988_749_895).fract()
}
