//! `slowhttptest`, which operators run against what they deploy: heads and bodies that arrive a byte at a time, and responses that are read
//! so. It has neither a client certificate nor a server name, so that a relay adds mutual TLS.

use testkit::tool::run_tool;
use tokio::{
    io::copy_bidirectional,
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use crate::support::{Client, EdgeBuilder, Upstream, admin, with_client};

const ROUTE: &str =
    "[[domain.route]]\npath = \"/any/*\"\nmethods = [\"GET\", \"POST\"]\nauthenticate = \"certificate\"";
const STALLED: &str = "mtls_edge_connections_closed_total{reason=\"stalled\"}";

/// Relays each TCP connection over a TLS connection of this client.
async fn relay(client: Client) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let relaying = tokio::spawn(async move {
        let mut relayed = JoinSet::new();
        loop {
            let (mut plain, _) = listener.accept().await.unwrap();
            let client = client.clone();
            relayed.spawn(async move {
                if let Ok(mut tls) = client.handshake().await {
                    let _ = copy_bidirectional(&mut plain, &mut tls).await;
                }
            });
        }
    });
    (port, relaying)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_bodies_and_reads_block_nobody() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url())
        .workers(1)
        .limits("head_timeout = \"1s\"\nbody_timeout = \"1s\"\nconnections_per_address = 1000")
        .domain("localhost", ROUTE);
    let (edge, credentials) = with_client(edge);
    let client = Client::with(&edge, &credentials);
    let (port, relaying) = relay(client.clone().server_name("localhost")).await;
    let attack = async |mode: &str| {
        let url = format!("http://localhost:{port}/any/page");
        let arguments = [mode, "-c", "200", "-r", "200", "-i", "1", "-l", "4", "-p", "3", "-u", &url];
        let said = run_tool(edge.folder.path(), "slowhttptest", &arguments, "").await.well();
        // Since the edge closes slow connections, the tool may end before its time.
        assert!(said.out.contains("service available"), "{}", said.out);
        let unavailable =
            said.out.split("service available").skip(1).filter(|after| !after[..40].contains("YES"));
        assert_eq!(unavailable.count(), 0, "{}", said.out);
    };
    let attacks = async { tokio::join!(attack("-H"), attack("-B"), attack("-X")) };
    let honest = client.from("127.0.0.2");
    let mut kept = honest.connect().await;
    let served = async {
        loop {
            assert_eq!(honest.token("billing").await.status, 200);
            assert_eq!(kept.token("billing").await.status, 200);
        }
    };
    tokio::select! {
        _ = attacks => {}
        () = served => {}
    }
    let stalled = admin::metric(&edge, STALLED).await;
    // How many of the 400 slow requests arrive in time depends on the machine.
    assert!(stalled > 0);
    relaying.abort();
}
