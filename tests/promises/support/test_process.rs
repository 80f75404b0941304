//! An edge whose clock a test sets, and whose second source of applications a test drives.
//!
//! The released program has no switch for either: that would be a hole. So the test binary runs itself as the edge: the same
//! composition root as `run`. It is a process like any other, with its own log and signals, and takes commands from its standard
//! input, one per line:
//!
//! - `clock SECONDS` sets the clock, in seconds since 1970;
//! - `put CLIENT_ID THUMBPRINT`, `remove CLIENT_ID`, `snapshot CLIENT_ID=THUMBPRINT ...` and `fail ERROR` are published by the
//!   second source;
//! - `panic` ends a thread by a panic;
//! - after `stall` the second source does not stop when the edge stops it, until `end`; `end` ends it in any case.

use std::{
    io::{BufRead, Write},
    path::Path,
    process::{ChildStdin, Command},
    sync::mpsc::{Receiver, Sender, channel},
};

use mtls_edge::{
    clock::{Clock, FixedClock, Timestamp},
    config::render,
    edge::Edge,
    identity::Thumbprint,
    observe::start_log,
    source::{Publish, Source, SourceError, SourceName, Stop, Update, files::InitialBuild},
    trust::{Application, ApplicationSpec, AuthMethod, ClientId, CredentialSpec, Registered},
};
use tokio::signal::unix::{SignalKind, signal};

/// Names the configuration to the process; without it [`process`] is a test that has nothing to do.
const CONFIG: &str = "MTLS_EDGE_TEST_CONFIG";
const WORKERS: &str = "MTLS_EDGE_TEST_WORKERS";
/// The time of the start in seconds since 1970; absent: the system's clock.
const CLOCK: &str = "MTLS_EDGE_TEST_CLOCK";
/// Logged when a command has been executed, with the `answer` of a published update: empty, or the conflict.
pub const EXECUTED: &str = "test command executed";
/// The name of the second source.
pub const SOURCE: &str = "second";

/// This test binary, to be run as the edge.
pub fn program(config: &Path, workers: usize, clock: Option<Timestamp>) -> Command {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program
        .args(["--exact", "support::test_process::process", "--nocapture"])
        .env(CONFIG, config)
        .env(WORKERS, workers.to_string());
    program.envs(clock.map(|time| (CLOCK, time.unix().to_string())));
    program
}

/// Sends a command to a process that [`program`] has started.
pub fn send(stdin: &mut ChildStdin, command: &str) {
    writeln!(stdin, "{command}").unwrap();
}

fn executed(answer: &str) {
    tracing::info!(target: "mtls_edge", answer, "{EXECUTED}");
}

/// What the second source does next.
enum Order {
    Publish(Update),
    Stall,
    End,
    /// By the edge.
    Stop,
}

/// Does what a test orders.
struct Driven {
    orders: Receiver<Order>,
    sender: Sender<Order>,
}

impl Source for Driven {
    fn name(&self) -> SourceName {
        SourceName::new(SOURCE)
    }

    fn stop(&self) -> Stop {
        let sender = self.sender.clone();
        Box::new(move || drop(sender.send(Order::Stop)))
    }

    fn run(self: Box<Self>, publisher: &dyn Publish) {
        let mut stalls = false;
        for order in &self.orders {
            match order {
                Order::Publish(update) => {
                    let conflict = publisher.publish(update).err().map(|error| error.to_string());
                    executed(&conflict.unwrap_or_default());
                }
                Order::Stall => {
                    stalls = true;
                    executed("");
                }
                Order::End => return executed(""),
                Order::Stop if stalls => {}
                Order::Stop => return,
            }
        }
    }
}

fn application(client_id: &str, thumbprint: &str) -> Application {
    let bytes: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&thumbprint[2 * at..2 * at + 2], 16).unwrap()).collect();
    let registered = Registered::Certificate(Thumbprint::from_bytes(bytes.try_into().unwrap()).into());
    let credentials = vec![CredentialSpec::new("c0", registered)];
    ApplicationSpec::new(client_id, AuthMethod::SelfSignedTls, credentials).try_into().unwrap()
}

fn order(command: &str) -> Order {
    let (what, rest) = command.split_once(' ').unwrap_or((command, ""));
    Order::Publish(match what {
        "stall" => return Order::Stall,
        "end" => return Order::End,
        "put" => {
            let (client_id, thumbprint) = rest.split_once(' ').unwrap();
            Update::Changed(Box::new(application(client_id, thumbprint)))
        }
        "remove" => Update::Removed(ClientId::new(rest)),
        "snapshot" => {
            let pairs = rest.split_whitespace().map(|pair| pair.split_once('=').unwrap());
            Update::Snapshot(
                pairs.map(|(client_id, thumbprint)| application(client_id, thumbprint)).collect(),
            )
        }
        "fail" => Update::Failed(SourceError(rest.to_owned())),
        other => panic!("no command: {other}"),
    })
}

/// The edge's process.
#[test]
fn process() {
    let Some(config) = std::env::var_os(CONFIG) else { return };
    let workers = std::env::var(WORKERS).unwrap().parse().unwrap();
    let start = std::env::var(CLOCK).ok().map(|seconds| Timestamp::from_unix(seconds.parse().unwrap()));
    let fixed = start.map(FixedClock::new);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut terminate = {
        let _entered = runtime.enter();
        signal(SignalKind::terminate()).unwrap()
    };
    start_log().unwrap();
    let clock = fixed.clone().map_or(Clock::System, Clock::Fixed);
    let initial = InitialBuild::new(&Path::new(&config).into(), clock)
        .unwrap_or_else(|problems| panic!("{}", render(&problems, false)));
    let (sender, orders) = channel();
    let source = Driven { orders, sender: sender.clone() };
    let edge = Edge::start(initial, Some(workers), vec![Box::new(source)]).unwrap();
    for address in edge.https() {
        tracing::info!(target: "mtls_edge", %address, "HTTPS listener ready");
    }
    for (purpose, address) in edge.operators() {
        tracing::info!(target: "mtls_edge", %address, "{} listener ready", purpose.name());
    }
    std::thread::spawn(move || {
        for command in std::io::stdin().lock().lines().map_while(Result::ok) {
            if command == "panic" {
                let doomed = std::thread::Builder::new().name("doomed".to_owned());
                let _ = doomed.spawn(|| panic!("ordered by a test")).unwrap().join();
                executed("");
                continue;
            }
            match (command.strip_prefix("clock "), &fixed) {
                (Some(seconds), Some(clock)) => {
                    clock.set(Timestamp::from_unix(seconds.parse().unwrap()));
                    executed("");
                }
                _ => sender.send(order(&command)).unwrap(),
            }
        }
    });
    runtime.block_on(async {
        tokio::select! {
            _ = terminate.recv() => {}
            error = edge.failure() => tracing::error!(target: "mtls_edge", %error, "fatal"),
        }
    });
    edge.stop().unwrap();
}
