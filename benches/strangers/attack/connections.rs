//! Connections up to the limit from one address, each replaced when it is closed.

use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{PAUSE, Scene, Tally};
use crate::strangers::chains::unknown;

/// The limit of connections in these rows.
const CONNECTIONS: usize = 500;

/// Connections that send nothing.
pub(super) async fn silent(scene: &Scene, tally: &Tally) {
    let client = &scene.client(None, false);
    join_all((0..CONNECTIONS).map(|_| async move {
        loop {
            match client.tcp().await {
                Ok(stream) => hold(stream, tally).await,
                Err(_) => tally.count("no connection"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }))
    .await;
}

/// Connections that send nothing after a handshake with an unregistered certificate.
pub(super) async fn idle(scene: &Scene, tally: &Tally) {
    let client = &scene.client(Some(&unknown("stranger")), false);
    join_all((0..CONNECTIONS).map(|_| async move {
        loop {
            match client.connect().await {
                Ok(stream) => hold(stream, tally).await,
                Err(_) => tally.count("no handshake"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }))
    .await;
}

async fn hold(mut stream: impl AsyncRead + Unpin, tally: &Tally) {
    tally.count("opened");
    let _ = stream.read_to_end(&mut Vec::new()).await;
}
