//! Clients that send all the time, over new and over kept connections.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::sleep;

use super::{Client, Connection, client::token_request};

/// What happened to the requests of clients that send all the time.
#[derive(Default)]
pub struct Steady {
    /// Whether the clients are to end.
    pub ends: AtomicBool,
    /// Requests that were answered with 200.
    pub answered: AtomicUsize,
    /// What happened to all others.
    pub lost: Mutex<Vec<String>>,
}

impl Steady {
    fn note(&self, outcome: Result<u16, String>) {
        match outcome {
            Ok(200) => drop(self.answered.fetch_add(1, Relaxed)),
            Ok(status) => self.lost.lock().unwrap().push(format!("status {status}")),
            Err(error) => self.lost.lock().unwrap().push(error),
        }
    }

    /// A new connection for each request.
    pub async fn connecting(self: Arc<Self>, client: Client) {
        while !self.ends.load(Relaxed) {
            let outcome = async {
                let stream = client.tls().await.map_err(|error| format!("handshake: {error}"))?;
                let mut connection = Connection::over(stream).await;
                let answer = connection.try_send(token_request("billing")).await;
                answer.map(|answer| answer.status.as_u16()).map_err(|error| format!("request: {error:?}"))
            };
            self.note(outcome.await);
        }
    }

    /// One connection for many requests, until a response says that it is the last.
    pub async fn keeping(self: Arc<Self>, client: Client) {
        while !self.ends.load(Relaxed) {
            let mut connection = client.connect().await;
            let mut is_last = false;
            while !is_last && !self.ends.load(Relaxed) {
                let sent = connection.try_send(token_request("billing")).await;
                is_last = sent.as_ref().is_ok_and(|answer| answer.headers.contains_key("connection"))
                    || sent.is_err();
                let sent = sent.map(|answer| answer.status.as_u16());
                self.note(sent.map_err(|error| format!("kept: {error:?}")));
                sleep(Duration::from_millis(3)).await;
            }
        }
    }
}
