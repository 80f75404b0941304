//! Paths with nested escapes: `%2525...25`.

use super::{PAUSE, Scene, Tally, get, outcome};
use crate::{harness::contender::DOMAIN, strangers::target::PUBLIC};

/// `%`, then `25` this many times.
fn path(times: usize) -> String {
    format!("{PUBLIC}%{}", "25".repeat(times))
}

/// Paths as long as a head may be.
pub(super) async fn http1(scene: &Scene, tally: &Tally) {
    let (client, path) = (scene.client(None, false), path(16_000));
    loop {
        if let Ok(mut sender) = super::http1(&client).await {
            while sender.ready().await.is_ok() {
                tally.count(outcome(sender.send_request(get(&path)).await).await);
            }
        } else {
            tally.count("no handshake");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Paths that fit into the dynamic table of HPACK, 4,096 bytes (RFC 7541 section 4.2).
pub(super) async fn http2(scene: &Scene, tally: &Tally) {
    let (client, uri) = (scene.client(None, true), format!("https://{DOMAIN}{}", path(2_000)));
    loop {
        if let Ok(mut sender) = super::http2(&client).await {
            while sender.ready().await.is_ok() {
                tally.count(outcome(sender.send_request(get(&uri)).await).await);
            }
        } else {
            tally.count("no handshake");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
