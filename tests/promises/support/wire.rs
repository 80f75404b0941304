//! An upstream that records the very bytes that reach it, and answers with very bytes.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::PATIENCE;

/// The least response.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A TCP server on a loopback port. It ends with the test.
pub struct Wire {
    address: SocketAddr,
    received: watch::Receiver<Vec<u8>>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Answers with `response` as often as what came since the last answer ends with `end`.
    pub async fn answering(end: &'static str, response: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (all, received) = watch::channel(Vec::new());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let all = all.clone();
                connections.spawn(async move {
                    let mut since = Vec::new();
                    let mut buffer = vec![0; 16 * 1024];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        since.extend_from_slice(&buffer[..read]);
                        all.send_modify(|all| all.extend_from_slice(&buffer[..read]));
                        if since.ends_with(end.as_bytes()) {
                            since.clear();
                            if stream.write_all(response.as_bytes()).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        Self { address, received, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that came so far.
    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.borrow()).into_owned()
    }

    /// Waits until these bytes have come.
    pub async fn wait_for(&self, bytes: &[u8]) {
        let mut received = self.received.clone();
        let came = received.wait_for(|all| all.windows(bytes.len()).any(|window| window == bytes));
        timeout(PATIENCE, came).await.expect("the bytes never reach the upstream").unwrap();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}
