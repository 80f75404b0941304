//! An upstream that records the very bytes that reach it.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
    time::timeout,
};

use super::{PATIENCE, scripted::Scripted};

/// A TCP server that answers with the same bytes each time. It ends with the test.
pub struct Wire {
    upstream: Scripted,
    received: watch::Receiver<Vec<u8>>,
}

impl Wire {
    /// Answers as often as what came since the last answer ends with `end`.
    pub async fn answering(end: &'static [u8], response: &'static [u8]) -> Self {
        let (all, received) = watch::channel(Vec::new());
        let serve = move |_, mut stream: tokio::net::TcpStream| {
            let all = all.clone();
            async move {
                let mut since = Vec::new();
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    since.extend_from_slice(&buffer[..read]);
                    all.send_modify(|all| all.extend_from_slice(&buffer[..read]));
                    if since.ends_with(end) {
                        since.clear();
                        if stream.write_all(response).await.is_err() {
                            return;
                        }
                    }
                }
            }
        };
        Self { upstream: Scripted::start(serve).await, received }
    }

    pub fn url(&self) -> String {
        self.upstream.url()
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
