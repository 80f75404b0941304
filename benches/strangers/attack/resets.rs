//! Requests that are cancelled before the upstream can answer, on one HTTP/2 connection.

use std::time::Duration;

use futures_util::future::join_all;
use http::HeaderValue;

use super::{PAUSE, Scene, Tally, get, http2, outcome};
use crate::{
    harness::{contender::DOMAIN, upstream::SLOW},
    strangers::target::PUBLIC,
};

const STREAMS: usize = 100;
const PATIENCE: Duration = Duration::from_millis(20);

pub(super) async fn attack(scene: &Scene, tally: &Tally) {
    let client = scene.client(None, true);
    loop {
        let Ok(sender) = http2(&client).await else {
            tally.count("no handshake");
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let streams = (0..STREAMS).map(|_| {
            let mut sender = sender.clone();
            async move {
                while sender.ready().await.is_ok() {
                    let mut request = get(&format!("https://{DOMAIN}{PUBLIC}slow"));
                    request.headers_mut().insert(SLOW, HeaderValue::from_static("1"));
                    let answered = async { outcome(sender.send_request(request).await).await };
                    // Dropping the future sends RST_STREAM.
                    let outcome = tokio::time::timeout(PATIENCE, answered).await;
                    tally.count(outcome.unwrap_or_else(|_| "cancelled".to_owned()));
                }
            }
        });
        join_all(streams).await;
        tokio::time::sleep(PAUSE).await;
    }
}
