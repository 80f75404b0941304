//! Connections that stop in the middle of something, each replaced when it is closed.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Semaphore,
    time::sleep,
};

use super::scene::{Scene, Tally, crowd};

/// Handshakes at a time while the connections are opened.
const AT_ONCE: usize = 64;
/// Before a closed connection is replaced.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two bytes of a head.
const BYTE: Duration = Duration::from_secs(1);

/// Connections that send nothing after the handshake.
pub async fn idle(scene: &Scene) {
    opened(scene, scene.idle, async |stream| {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
}

/// Connections that send a head, one byte per second.
pub async fn heads(scene: &Scene, count: usize) {
    opened(scene, count, async |stream| {
        let (mut read, mut write) = tokio::io::split(stream);
        let sent = async {
            for byte in b"POST /oauth/token HTTP/1.1\r\nhost: mtls.auth.example.test\r\nx-a: "
                .iter()
                .chain([b'a'].iter().cycle())
            {
                if write.write_all(&[*byte]).await.is_err() || write.flush().await.is_err() {
                    break;
                }
                sleep(BYTE).await;
            }
        };
        let mut rest = Vec::new();
        tokio::select! {
            () = sent => {}
            _ = read.read_to_end(&mut rest) => {}
        }
    })
    .await;
}

/// Connections that send half of a ClientHello.
pub async fn hellos(scene: &Scene, count: usize) {
    let tally = &scene.tally;
    tally.expect(count);
    crowd(count, async |number| {
        let client = scene.client(number, None);
        let hello = client.hello();
        let half = hello.get(..hello.len() / 2).unwrap_or(&hello);
        let mut first = First(Some(tally));
        loop {
            match client.tcp().await {
                Ok(mut stream) => {
                    let _ = stream.write_all(half).await;
                    first.done();
                    tally.count("opened");
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
                Err(_) => tally.count("no connection"),
            }
            first.done();
            sleep(PAUSE).await;
        }
    })
    .await;
}

/// Opens connections with the honest client's certificate, and does this with each.
async fn opened(scene: &Scene, count: usize, then: impl AsyncFn(&mut (dyn Stream + Unpin))) {
    let (tally, places) = (&scene.tally, Arc::new(Semaphore::new(AT_ONCE)));
    tally.expect(count);
    crowd(count, async |number| {
        let client = scene.client(number, Some(&scene.certificates.client));
        let mut first = First(Some(tally));
        loop {
            let place = places.acquire().await;
            let stream = client.connect().await;
            drop(place);
            first.done();
            match stream {
                Ok(mut stream) => {
                    tally.count("opened");
                    then(&mut stream).await;
                }
                Err(_) => tally.count("no handshake"),
            }
            sleep(PAUSE).await;
        }
    })
    .await;
}

trait Stream: AsyncRead + AsyncWrite {}
impl<T: AsyncRead + AsyncWrite> Stream for T {}

/// Reports the first connection of an attacker once.
struct First<'a>(Option<&'a Tally>);

impl First<'_> {
    fn done(&mut self) {
        if let Some(tally) = self.0.take() {
            tally.opened();
        }
    }
}
