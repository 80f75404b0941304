//! An upstream that holds its answers back.

use std::sync::Arc;

use tokio::{
    io::AsyncWriteExt,
    sync::{Semaphore, mpsc},
    time::timeout,
};

use super::{
    PATIENCE,
    scripted::{OK, Scripted, read_request},
};

/// An upstream that reports each request, and sends one response per permit.
pub struct Held {
    upstream: Scripted,
    arrived: mpsc::UnboundedReceiver<()>,
    release: Arc<Semaphore>,
}

impl Held {
    pub async fn start() -> Self {
        let (requests, arrived) = mpsc::unbounded_channel();
        let release = Arc::new(Semaphore::new(0));
        let permits = Arc::clone(&release);
        let upstream = Scripted::start(move |_, mut stream| {
            let (requests, permits) = (requests.clone(), Arc::clone(&permits));
            async move {
                while read_request(&mut stream).await.is_some() {
                    requests.send(()).unwrap();
                    permits.acquire().await.unwrap().forget();
                    if stream.write_all(OK).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        Self { upstream, arrived, release }
    }

    pub fn url(&self) -> String {
        self.upstream.url()
    }

    /// Lets it send this many responses.
    pub fn release(&self, requests: usize) {
        self.release.add_permits(requests);
    }

    /// The number of accepted connections.
    pub fn accepted(&self) -> usize {
        self.upstream.accepted()
    }

    /// Waits for the next request.
    pub async fn arrived(&mut self) {
        timeout(PATIENCE, self.arrived.recv())
            .await
            .expect("the request does not reach the upstream")
            .unwrap();
    }
}
