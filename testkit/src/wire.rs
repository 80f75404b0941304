//! An upstream that records the bytes that reach it.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::timeout,
};

use crate::{PATIENCE, scripted::Scripted};

/// A TCP server that answers with the same bytes each time. It ends with the test.
pub struct Wire {
    upstream: Scripted,
    received: watch::Receiver<Vec<u8>>,
}

impl Wire {
    /// Answers each time when the bytes since the last answer end with `end`.
    pub async fn answering(end: &'static [u8], response: &'static [u8]) -> Self {
        let (all, received) = watch::channel(Vec::new());
        let serve = move |_, stream: TcpStream| {
            let all = all.clone();
            answer_each(stream, end, response, move |bytes| {
                all.send_modify(|all| all.extend_from_slice(bytes));
            })
        };
        Self { upstream: Scripted::start(serve).await, received }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.upstream.url()
    }

    /// Everything that was received so far.
    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.borrow()).into_owned()
    }

    /// Waits until these bytes have been received.
    pub async fn wait_for(&self, bytes: &[u8]) {
        let mut received = self.received.clone();
        let came = received.wait_for(|all| all.windows(bytes.len()).any(|window| window == bytes));
        timeout(PATIENCE, came).await.expect("the bytes never reach the upstream").unwrap();
    }
}

/// Answers with the same bytes each time when the bytes since the last answer end with `end`.
pub async fn answer_each(
    mut stream: TcpStream,
    end: &[u8],
    response: &[u8],
    mut received: impl FnMut(&[u8]),
) {
    let _ = stream.set_nodelay(true);
    let mut since = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        since.extend_from_slice(&buffer[..read]);
        received(&buffer[..read]);
        if since.ends_with(end) {
            since.clear();
            if stream.write_all(response).await.is_err() {
                return;
            }
        }
    }
}
