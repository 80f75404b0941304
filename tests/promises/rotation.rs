//! A full rotation under load, with a renewed server certificate and fifty reloads: no request is lost, and the removed
//! credential is refused every time.
//!
//! `MTLS_EDGE_ROTATIONS=20` makes the run long: the two credentials alternate.

mod handshakes;
mod load;

use std::fs;

use tokio::task::block_in_place;

use crate::support::{Credentials, DOMAIN, Edge, EdgeBuilder, Upstream, self_signed};
use handshakes::{Held, Pause};
use load::{LeftBehind, Load, clients};

const RELOADS: usize = 50;

/// Makes a change that reloads, and waits until it is in force.
fn reload(edge: &Edge, act: impl FnOnce()) {
    let generation = edge.log().matches("\"reloaded\"").count() + 2;
    act();
    edge.wait_for_log(&format!("\"reloaded\",\"generation\":{generation},"));
}

fn register(edge: &Edge, credentials: &[&Credentials]) {
    let list = credentials.iter().fold(String::new(), |list, one| {
        let print = one.thumbprint();
        format!("{list}[[application.credential]]\nname = \"{print}\"\nthumbprint = \"{print}\"\n")
    });
    let file = edge.folder.path().join("applications.toml");
    reload(edge, || fs::write(file, format!("[[application]]\nclient_id = \"billing\"\n{list}")).unwrap());
}

/// Adds the second credential, moves all clients, removes the first, renews the server's certificate, reloads.
async fn rotate(edge: &Edge, load: &mut Load, first: &Credentials, second: &Credentials) {
    let mut idle = Vec::new();
    for client in &clients(edge, first) {
        let mut connection = client.connect().await;
        assert_eq!(connection.token("billing").await.status, 200);
        idle.push(connection);
    }
    let mut left_behind = LeftBehind::start(edge, first).await;

    block_in_place(|| register(edge, &[first, second]));
    load.move_to(clients(edge, second)).await;
    left_behind.removing();
    block_in_place(|| register(edge, &[second]));
    left_behind.removed();
    for mut connection in idle {
        connection.token("billing").await.oauth_error(401, "invalid_client");
        connection.closed().await;
    }

    let mut held = Vec::new();
    for pause in [Pause::WithinClientHello, Pause::BeforeServersFlight] {
        for _ in 0..4 {
            held.push(Held::start(edge, second, pause).await);
        }
    }
    let renewed = edge.issuer.server(&[DOMAIN]);
    block_in_place(|| reload(edge, || renewed.write(edge.folder.path(), DOMAIN)));
    for handshake in held {
        handshake.assert_served().await;
    }
    for _ in 0..RELOADS {
        block_in_place(|| reload(edge, || edge.signal("HUP")));
    }
    for client in &clients(edge, second)[..2] {
        assert_eq!(client.connect().await.server_chain, renewed.chain);
    }
    // Both have continued throughout, and still do.
    load.assert_continues().await;
    left_behind.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_in_a_rotation_under_load() {
    let rotations = std::env::var("MTLS_EDGE_ROTATIONS").map_or(1, |count| count.parse().unwrap());
    let upstream = Upstream::start().await;
    let (mut first, mut second) = (self_signed("billing"), self_signed("billing"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[first.thumbprint()])
        .quiet()
        .start();
    let mut load = Load::start(clients(&edge, &first)).await;
    for _ in 0..rotations {
        rotate(&edge, &mut load, &first, &second).await;
        std::mem::swap(&mut first, &mut second);
        upstream.forget();
    }
    load.end().await;
    edge.stop();
}
