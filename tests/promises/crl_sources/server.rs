//! A CRL server over HTTP.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::FILE;
use crate::support::PATIENCE;

/// A response of the server.
#[derive(Clone)]
pub enum Answer {
    Crl(String),
    Raw(String),
    /// No response.
    Nothing,
}

/// A CRL server. It stops with the test's runtime.
#[derive(Clone)]
pub struct CrlServer {
    pub url: String,
    answer: Arc<Mutex<Answer>>,
    /// The number of requests so far.
    pub requests: Arc<AtomicUsize>,
}

impl CrlServer {
    pub async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/corp.crl?key=zQ7hidden", listener.local_addr().unwrap());
        let server = Self { url, answer: Arc::new(Mutex::new(answer)), requests: Arc::default() };
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let server = shared.clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    assert!(head.starts_with(b"GET /corp.crl?key=zQ7hidden HTTP/1.1\r\n"));
                    server.requests.fetch_add(1, Ordering::SeqCst);
                    let answer = server.answer.lock().unwrap().clone();
                    let text = match answer {
                        Answer::Crl(crl) => {
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{crl}", crl.len())
                        }
                        Answer::Raw(text) => text,
                        Answer::Nothing => std::future::pending().await,
                    };
                    // The edge may close the connection early.
                    let _ = stream.write_all(text.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        server
    }

    /// Responds in this way from now on.
    pub fn respond_with(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Waits for this many further requests.
    pub async fn wait_for_requests(&self, times: usize) {
        let (before, start) = (self.requests.load(Ordering::SeqCst), Instant::now());
        while self.requests.load(Ordering::SeqCst) < before + times {
            assert!(start.elapsed() < PATIENCE, "the CRL is not fetched");
            tokio::task::yield_now().await;
        }
    }

    /// The configuration line that fetches from this server.
    pub fn item(&self, settings: &str) -> String {
        format!("crls = [{{ url = \"{}\", file = \"{FILE}\", refresh = \"50ms\"{settings} }}]", self.url)
    }
}
