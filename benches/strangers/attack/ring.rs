//! Chains that prolong the search for a path.

use futures_util::future::join_all;
use http::Request;
use http_body_util::{BodyExt, Full};

use super::{Body, PAUSE, Scene, Tally, http2, outcome};
use crate::{
    harness::{
        certificates::CLIENT_ID,
        contender::{DOMAIN, PATH},
    },
    strangers::chains::Ring,
};

/// Concurrent requests per connection.
const REQUESTS: usize = 20;

pub(super) async fn attack(name: &str, extended: bool, scene: &Scene, tally: &Tally) {
    let mut ring = Ring::new(name, extended);
    loop {
        let chain = ring.chain();
        match http2(&scene.client(Some(&chain), true)).await {
            Ok(sender) => {
                let requests = (0..REQUESTS).map(|_| {
                    let mut sender = sender.clone();
                    async move { tally.count(outcome(sender.send_request(token()).await).await) }
                });
                join_all(requests).await;
            }
            Err(_) => tally.count("no handshake"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn token() -> Request<Body> {
    let body = format!("grant_type=client_credentials&client_id={CLIENT_ID}");
    Request::post(format!("https://{DOMAIN}{PATH}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(body).boxed())
        .unwrap()
}
