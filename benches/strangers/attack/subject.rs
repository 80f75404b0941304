//! A long subject, which is logged at each request.

use super::{PAUSE, Scene, Tally, get, http1, outcome};
use crate::strangers::chains::unknown;

pub(super) async fn attack(subject: &str, scene: &Scene, tally: &Tally) {
    let chain = unknown(subject);
    let client = scene.client(Some(&chain), false);
    loop {
        if let Ok(mut sender) = http1(&client).await {
            while sender.ready().await.is_ok() {
                tally.count(outcome(sender.send_request(get("/x")).await).await);
            }
        } else {
            tally.count("no handshake");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
