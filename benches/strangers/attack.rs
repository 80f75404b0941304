//! The attacks, and what they share.

mod bodies;
mod connections;
mod descriptors;
mod escapes;
mod resets;
mod ring;
mod subject;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::TokioIo;
use testkit::Credentials;

use super::rows::Row;
use crate::harness::{
    certificates::Certificates,
    client::{CLASSICAL, Client, Kind, LocalExecutor},
    outcome::Outcome,
};

/// A body of any kind.
pub type Body = BoxBody<Bytes, std::convert::Infallible>;

/// The pause before the next connection after a refusal: the cost per request is measured, not the number of requests.
const PAUSE: Duration = Duration::from_millis(250);

/// What an attack needs.
pub struct Scene {
    /// The edge's address.
    pub address: SocketAddr,
    /// The admin address.
    pub admin: SocketAddr,
    /// The folder of its configuration.
    pub folder: PathBuf,
    /// The certificates of the honest client and the server.
    pub certificates: Arc<Certificates>,
    /// The credentials of the application that is removed.
    pub leaving: Credentials,
    /// The number of connections that exhaust the descriptors.
    pub crowd: usize,
}

impl Scene {
    /// An attacker with these credentials, or none.
    pub fn client(&self, credentials: Option<&Credentials>, http2: bool) -> Client {
        let kind = Kind { http2, ..CLASSICAL };
        Client::new(self.address, &self.certificates, credentials, kind)
    }
}

/// The outcomes of the hostile requests.
#[derive(Debug, Default)]
pub struct Tally {
    outcomes: Mutex<BTreeMap<String, u64>>,
    answers: Mutex<BTreeMap<String, u64>>,
    notes: Mutex<Vec<String>>,
    waits: AtomicBool,
}

impl Tally {
    /// Counts one request, or what the row counts, by its outcome.
    pub fn count(&self, outcome: impl Into<String>) {
        *self.outcomes.lock().unwrap().entry(outcome.into()).or_default() += 1;
    }

    /// Records the final outcome of a request that was counted before.
    pub fn answered(&self, outcome: &str) {
        *self.answers.lock().unwrap().entry(format!("then {outcome}")).or_default() += 1;
    }

    /// Adds an observation.
    pub fn note(&self, note: String) {
        self.notes.lock().unwrap().push(note);
    }

    /// Continues the attack until [`Self::finish`].
    pub fn begin(&self) {
        self.waits.store(true, Relaxed);
    }

    /// Lets the attack end.
    pub fn finish(&self) {
        self.waits.store(false, Relaxed);
    }

    /// The number of requests.
    pub fn requests(&self) -> u64 {
        self.outcomes.lock().unwrap().values().sum()
    }

    /// Whether the attack may end.
    pub fn is_complete(&self) -> bool {
        !self.waits.load(Relaxed) && self.requests() > 0
    }

    /// The number of requests per outcome.
    pub fn outcomes(&self) -> BTreeMap<String, u64> {
        self.outcomes.lock().unwrap().clone()
    }

    /// All observations.
    pub fn notes(&self) -> Vec<String> {
        let answers = self.answers.lock().unwrap();
        let answers = answers.iter().map(|(answer, count)| format!("{answer}: {count}"));
        answers.chain(self.notes.lock().unwrap().iter().cloned()).collect()
    }
}

/// Attacks until it is dropped.
pub async fn attack(row: Row, scene: &Scene, tally: &Tally) {
    match row {
        Row::Ring => ring::attack("Ring CA", false, scene, tally).await,
        Row::RingExtensions => ring::attack("Ring CA", true, scene, tally).await,
        Row::RingAnchor => ring::attack("Client CA", false, scene, tally).await,
        Row::Subject => subject::attack(&"a".repeat(60_000), scene, tally).await,
        Row::SubjectEscaped => subject::attack(&"\u{200b}".repeat(20_000), scene, tally).await,
        Row::Bodies => bodies::attack(scene, tally).await,
        Row::Silent => connections::silent(scene, tally).await,
        Row::Idle => connections::idle(scene, tally).await,
        Row::Escapes => escapes::http1(scene, tally).await,
        Row::EscapesHttp2 => escapes::http2(scene, tally).await,
        Row::Descriptors => descriptors::attack(scene, tally).await,
        Row::Resets => resets::attack(scene, tally).await,
    }
}

/// Observes the edge during the attack, until the observation is complete.
pub async fn witness(row: Row, scene: &Scene, tally: &Tally) {
    if row == Row::Descriptors {
        descriptors::witness(scene, tally).await;
    }
}

async fn http1(client: &Client) -> Outcome<http1::SendRequest<Body>> {
    let tls = client.connect().await?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(tls)).await.map_err(|error| error.to_string())?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

async fn http2(client: &Client) -> Outcome<http2::SendRequest<Body>> {
    let tls = client.connect().await?;
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .initial_max_send_streams(100)
        .handshake(TokioIo::new(tls))
        .await
        .map_err(|error| error.to_string())?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri)
        .header("host", crate::harness::contender::DOMAIN)
        .body(http_body_util::Empty::new().boxed())
        .unwrap()
}

/// The status of a response, which is read to its end; "closed" if there is none.
async fn outcome(response: hyper::Result<Response<Incoming>>) -> String {
    match response {
        Ok(response) => {
            let status = response.status().as_u16().to_string();
            let _ = response.into_body().collect().await;
            status
        }
        Err(_) => "closed".to_owned(),
    }
}
