//! Handshakes that are paused half-way.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy_bidirectional, duplex},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::support::{Client, Credentials, DOMAIN, Edge, PATIENCE};

/// Where a handshake is paused.
#[derive(Clone, Copy, Debug)]
pub enum Pause {
    /// The edge has received a part of the ClientHello.
    WithinClientHello,
    /// The edge has sent its certificate, and waits for the client's.
    BeforeServersFlight,
}

/// A paused handshake.
pub struct Held {
    pause: Pause,
    go_on: oneshot::Sender<()>,
    answer: JoinHandle<String>,
}

impl Held {
    /// Begins a handshake and returns once it is paused.
    pub async fn start(edge: &Edge, credentials: &Credentials, pause: Pause) -> Self {
        let mut client = Client::with(edge, credentials);
        let connector = TlsConnector::from(Arc::new(client.config().clone()));
        let (near, far) = duplex(1 << 16);
        let answer = tokio::spawn(async move {
            let mut stream = connector.connect(DOMAIN.try_into().unwrap(), near).await.unwrap();
            let body = "grant_type=client_credentials&client_id=billing";
            let head = format!(
                "POST /oauth/token HTTP/1.1\r\nhost: {DOMAIN}\r\nconnection: close\r\ncontent-length: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        });
        let (go_on, wait) = oneshot::channel();
        let edge = TcpStream::connect(edge.https).await.unwrap();
        let held = hold(far, edge, pause);
        let (far, edge, late) = timeout(PATIENCE, held).await.expect("the edge does not answer");
        tokio::spawn(async move { release(far, edge, pause, late, wait).await });
        Self { pause, go_on, answer }
    }

    /// Completes the handshake, and asserts that its request is served.
    pub async fn assert_served(self) {
        self.go_on.send(()).unwrap();
        let answer = timeout(PATIENCE, self.answer).await.expect("no answer").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{:?}: {answer:?}", self.pause);
    }
}

/// Forwards the bytes before the pause, and returns those after it.
async fn hold(
    mut far: DuplexStream,
    mut edge: TcpStream,
    pause: Pause,
) -> (DuplexStream, TcpStream, Vec<u8>) {
    let mut hello = vec![0; 1 << 16];
    let length = far.read(&mut hello).await.unwrap();
    let now = match pause {
        Pause::WithinClientHello => length / 2,
        Pause::BeforeServersFlight => length,
    };
    edge.write_all(&hello[..now]).await.unwrap();
    if matches!(pause, Pause::BeforeServersFlight) {
        edge.readable().await.unwrap();
    }
    (far, edge, hello[now..length].to_vec())
}

async fn release(
    mut far: DuplexStream,
    mut edge: TcpStream,
    pause: Pause,
    late: Vec<u8>,
    wait: oneshot::Receiver<()>,
) {
    wait.await.unwrap_or_else(|_| panic!("the test has ended: {pause:?}"));
    edge.write_all(&late).await.unwrap();
    let _ = copy_bidirectional(&mut far, &mut edge).await;
}
