//! Clients that send all the time, over new and over kept connections.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::sleep;

use super::{
    Client, Connection,
    client::token_request,
    frames::{DATA, END_STREAM, Frame, Frames, GOAWAY, HEADERS, PING, RESET, WINDOW_UPDATE},
};

/// How many requests a client of HTTP/2 sends at once.
const STREAMS: usize = 8;
/// The flag of a PING that answers one.
const ACK: u8 = 1;
/// The field `:status: 200` (RFC 7541 appendix A).
const OK: u8 = 0x88;

/// What happened to the requests of clients that send all the time.
#[derive(Default)]
pub struct Steady {
    /// Whether the clients are to end.
    pub ends: AtomicBool,
    /// Requests that were answered with 200.
    pub answered: AtomicUsize,
    /// HTTP/2 connections whose end was announced (GOAWAY).
    pub announced: AtomicUsize,
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

    /// One connection of HTTP/2 for many requests, several at once, until its end is announced. All that was sent before that is known
    /// must be answered: the edge learns from the answer to its PING which request was the last.
    pub async fn multiplexing(self: Arc<Self>, client: Client) {
        while !self.ends.load(Relaxed) {
            let mut frames = Frames::connect(&client, &[]).await;
            // The responses of all requests fit.
            frames.send(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()).await.unwrap();
            let mut is_last = false;
            while !is_last && !self.ends.load(Relaxed) {
                is_last = self.send_several(&mut frames).await;
                sleep(Duration::from_millis(3)).await;
            }
        }
    }

    /// Sends requests, and reads until each is answered or lost. Whether the connection is not to be used again.
    async fn send_several(&self, frames: &mut Frames) -> bool {
        let (mut open, mut is_last) = (BTreeSet::new(), false);
        for _ in 0..STREAMS {
            match frames.token("billing").await {
                Ok(stream) => drop(open.insert(stream)),
                Err(error) => {
                    self.note(Err(format!("multiplexed: {error}")));
                    is_last = true;
                    break;
                }
            }
        }
        while !open.is_empty() {
            let Some(frame) = frames.read().await else {
                for stream in open {
                    self.note(Err(format!("multiplexed: no answer on {stream}")));
                }
                return true;
            };
            let Frame { kind, flags, stream, ref payload } = frame;
            match kind {
                PING if flags & ACK == 0 => drop(frames.send(PING, ACK, 0, payload).await),
                GOAWAY => {
                    self.announced.fetch_add(usize::from(!is_last), Relaxed);
                    is_last = true;
                }
                _ => {}
            }
            if kind == RESET || (kind == HEADERS && payload.first() != Some(&OK)) {
                self.note(Err(format!("multiplexed: {frame:?}")));
                open.remove(&stream);
            }
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 && open.remove(&stream) {
                self.note(Ok(200));
            }
        }
        is_last
    }
}
