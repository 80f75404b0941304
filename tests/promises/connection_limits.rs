//! More connections than the limit: unauthenticated ones are closed in favour of authenticated ones.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    Client, Connection, Credentials, DOMAIN, Edge, EdgeBuilder, Held, PATIENCE, Upstream, admin,
    frames::Frames, self_signed, with_client,
};

const CROWD: usize = 500;

fn limited_edge(upstream: &Upstream, limits: &str) -> (Edge, Credentials) {
    with_client(EdgeBuilder::new(upstream.url()).limits(limits).quiet())
}

/// Silent connections from this address, once the edge has accepted them.
async fn silent(edge: &Edge, client: &Client, count: usize) -> Vec<TcpStream> {
    const ACCEPTED: &str = "mtls_edge_connections_accepted_total";
    let before = admin::metric(edge, ACCEPTED).await;
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(client.tcp().await.unwrap());
    }
    let all = before + i64::try_from(count).unwrap();
    let accepted = async { while admin::metric(edge, ACCEPTED).await < all {} };
    timeout(PATIENCE, accepted).await.expect("connections are not accepted");
    streams
}

async fn closed(edge: &Edge, reason: &str) -> i64 {
    admin::metric(edge, &format!("mtls_edge_connections_closed_total{{reason=\"{reason}\"}}")).await
}

#[tokio::test]
async fn silent_connections_of_one_address_block_no_others() {
    let upstream = Upstream::start().await;
    let (edge, client) =
        limited_edge(&upstream, "connections = 500\nhandshakes = 500\nhandshakes_per_address = 50");
    let client = Client::with(&edge, &client);
    let crowd = silent(&edge, &client, CROWD).await;
    for client in [client.clone().from("127.0.0.2"), client.clone().from("127.0.0.3").http2()] {
        for _ in 0..20 {
            assert_eq!(client.token("billing").await.status, 200);
        }
    }
    // A tenth of the limit for this address, and the connections of the others.
    assert!(admin::metric(&edge, "mtls_edge_connections").await <= 60);
    // Not even from the same address.
    for _ in 0..20 {
        assert_eq!(client.token("billing").await.status, 200);
    }
    // On a busy machine some were not accepted, since the earlier ones were too young to be closed.
    let refused = closed(&edge, "address").await;
    assert!(closed(&edge, "evicted").await + refused >= 450);
    drop(crowd);
}

#[tokio::test]
async fn silent_connections_do_not_evict_each_other() {
    let upstream = Upstream::start().await;
    let (edge, client) =
        limited_edge(&upstream, "connections = 40\nconnections_per_address = 100\nhandshakes = 40");
    let client = Client::with(&edge, &client);
    let (crowd, other) = (client.clone().from("127.0.0.2"), client.from("127.0.0.3"));
    let mut held = silent(&edge, &crowd, 40).await;
    // On a machine that is suspended for a second, the first ones are closed.
    for _ in 0..20 {
        if closed(&edge, "bound").await > 0 {
            break;
        }
        held.extend(silent(&edge, &crowd, 10).await);
    }
    assert!(closed(&edge, "bound").await > 0);
    let before = closed(&edge, "evicted").await;
    for _ in 0..5 {
        assert_eq!(other.token("billing").await.status, 200);
    }
    assert!(closed(&edge, "evicted").await > before);
    drop(held);
}

#[tokio::test]
async fn strangers_after_a_handshake_block_no_others() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited_edge(&upstream, "connections = 100\nconnections_per_address = 100");
    let stranger = Client::with(&edge, &self_signed("stranger"));
    let mut crowd = Vec::new();
    for _ in 0..150 {
        crowd.extend(stranger.tls().await);
    }
    // From another address, and from the same one.
    for client in [
        Client::with(&edge, &client).from("127.0.0.2"),
        Client::with(&edge, &client),
        Client::with(&edge, &client).http2(),
    ] {
        for _ in 0..10 {
            assert_eq!(client.token("billing").await.status, 200);
            // Its place is free again: a crowd's address gets no other one.
            let closed = async { while admin::metric(&edge, "mtls_edge_connections").await >= 100 {} };
            timeout(PATIENCE, closed).await.expect("the connection stays open");
        }
    }
    drop(crowd);
}

#[tokio::test]
async fn authenticated_connections_are_not_evicted() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited_edge(&upstream, "connections = 20\nconnections_per_address = 20");
    let client = Client::with(&edge, &client);
    let mut kept = Vec::new();
    for number in 0..10 {
        let client = if number % 2 == 0 { client.clone() } else { client.clone().http2() };
        let mut connection = client.connect().await;
        assert_eq!(connection.token("billing").await.status, 200);
        kept.push(connection);
    }
    let crowd = silent(&edge, &client, 200).await;
    for connection in &mut kept {
        assert_eq!(connection.token("billing").await.status, 200);
    }
    // If there are only such connections, a new one is closed.
    drop(crowd);
    while kept.len() < 20 {
        let mut connection = client.connect().await;
        assert_eq!(connection.token("billing").await.status, 200);
        kept.push(connection);
    }
    assert!(client.tls().await.is_err());
    assert!(closed(&edge, "address").await >= 1);
    for connection in &mut kept {
        assert_eq!(connection.token("billing").await.status, 200);
    }
}

#[tokio::test]
async fn a_connection_is_evicted_from_any_worker() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited_edge(&upstream, "connections = 2\nconnections_per_address = 1");
    let client = Client::with(&edge, &client);
    let mut crowd = Vec::new();
    for number in 0..20 {
        for ip in ["127.0.0.2", "127.0.0.3"] {
            crowd.extend(silent(&edge, &client.clone().from(ip), 2).await);
        }
        for ip in ["127.0.0.2", "127.0.0.4"] {
            assert_eq!(client.clone().from(ip).token("billing").await.status, 200, "{number}");
        }
    }
}

#[tokio::test]
async fn behind_a_balancer_the_clients_address_is_limited() {
    let upstream = Upstream::start().await;
    let credentials = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .listen("trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true")
        .limits("connections_per_address = 3")
        .usual_domain("auth0")
        .self_signed_application("billing", &[credentials.thumbprint()])
        .start();
    let via_proxy = |family: &str, ip: &str| {
        let header = format!("PROXY {family} {ip} {ip} 5000 443\r\n");
        Client::with(&edge, &credentials).prelude(header.as_bytes())
    };
    let mut kept = Vec::new();
    // The load balancer's own address has no limit.
    for number in 1..=10 {
        let mut connection = via_proxy("TCP4", &format!("192.0.2.{number}")).connect().await;
        assert_eq!(connection.token("billing").await.status, 200);
        kept.push(connection);
    }
    for (family, ips) in [
        ("TCP4", ["198.51.100.1"; 4]),
        // An IPv6 /64 is one client.
        ("TCP6", ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::", "2001:db8::abcd"]),
    ] {
        for ip in &ips[..3] {
            let mut connection = via_proxy(family, ip).connect().await;
            assert_eq!(connection.token("billing").await.status, 200);
            kept.push(connection);
        }
        assert!(via_proxy(family, ips[3]).tls().await.is_err());
    }
    assert_eq!(via_proxy("TCP6", "2001:db8:0:1::1").token("billing").await.status, 200);
    assert_eq!(closed(&edge, "address").await, 2);
    // Without an address it is the load balancer's own connection.
    for _ in 0..5 {
        let client = Client::with(&edge, &credentials).prelude(b"PROXY UNKNOWN\r\n");
        kept.push(client.connect().await);
    }
    for connection in &mut kept {
        assert_eq!(connection.token("billing").await.status, 200);
    }
}

#[tokio::test]
async fn the_limit_per_address_reloads() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited_edge(&upstream, "connections_per_address = 1");
    let client = Client::with(&edge, &client);
    let mut kept = client.connect().await;
    assert_eq!(kept.token("billing").await.status, 200);
    assert!(client.tls().await.is_err());
    let file = edge.folder.path().join("edge.toml");
    let text = std::fs::read_to_string(file).unwrap();
    edge.reload("edge.toml", &text.replace("connections_per_address = 1", "connections_per_address = 2"));
    assert_eq!(client.token("billing").await.status, 200);
    assert_eq!(kept.token("billing").await.status, 200);
}

#[tokio::test]
async fn an_evicted_connection_is_closed() {
    let upstream = Upstream::start().await;
    let (edge, client) = limited_edge(
        &upstream,
        "connections = 4\nconnections_per_address = 4\nhandshakes = 4\nhandshakes_per_address = 4",
    );
    let client = Client::with(&edge, &client);
    let mut crowd = silent(&edge, &client, 4).await;
    assert_eq!(client.token("billing").await.status, 200);
    // The one that has waited longest, or one of another worker, is closed.
    let ends = crowd.iter_mut().map(|stream| Box::pin(async move { drop(stream.read(&mut [0]).await) }));
    timeout(PATIENCE, futures_util::future::select_all(ends)).await.expect("none is closed");
    assert_eq!(closed(&edge, "evicted").await, 1);
}

#[tokio::test]
async fn strangers_with_requests_in_flight_block_no_others() {
    let mut held = Held::start().await;
    let credentials = self_signed("billing");
    let routes = "client_auth = \"optional\"\n[[domain.route]]\n[[domain.route]]\npath = \"/open\"\nmethods = [\"GET\", \"POST\"]\nauthenticate = \"none\"";
    let edge = EdgeBuilder::new(held.url())
        .limits("connections = 24\nconnections_per_address = 24")
        .domain(DOMAIN, routes)
        .self_signed_application("billing", &[credentials.thumbprint()])
        .start();
    // Some wait for the upstream, some never complete their body, some never complete their head.
    let (stranger, client) = (Client::new(&edge), Client::with(&edge, &credentials));
    let (mut waiting, mut unfinished) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        let mut frames = Frames::connect(&stranger, &[]).await;
        frames.get("/open").await.unwrap();
        held.arrived().await;
        waiting.push(frames);
        for text in [
            format!(
                "POST /oauth/token HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 9\r\n\r\nclient"
            ),
            format!("GET /open HTTP/1.1\r\nhost: {DOMAIN}\r\n"),
        ] {
            let mut stream = stranger.tls().await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            unfinished.push(stream);
        }
    }
    let upstream_connections = admin::metric(&edge, "mtls_edge_upstream_connections").await;
    let mut kept = Vec::new();
    for _ in 0..24 {
        // It may be refused while all of them are new.
        let mut connection = timeout(PATIENCE, async {
            loop {
                if let Ok(stream) = client.tls().await {
                    return Connection::over(stream).await;
                }
            }
        })
        .await
        .expect("anonymous requests keep it out");
        let answered = tokio::spawn(async move {
            let answer = connection.token("billing").await;
            (answer, connection)
        });
        held.arrived().await;
        // The anonymous requests wait for a permit, too.
        held.release(10);
        let (answer, connection) = timeout(PATIENCE, answered).await.unwrap().unwrap();
        assert_eq!(answer.status, 200);
        kept.push(connection);
    }
    assert!(upstream_connections >= 8);
    for frames in &mut waiting {
        frames.until_closed().await;
    }
}

#[tokio::test]
async fn a_request_whose_connection_is_evicted_says_so() {
    let mut held = Held::start().await;
    let credentials = self_signed("billing");
    let routes = "client_auth = \"optional\"\n[[domain.route]]\n[[domain.route]]\npath = \"/open\"\nmethods = [\"GET\"]\nauthenticate = \"none\"";
    let edge = EdgeBuilder::new(held.url())
        .limits("connections = 4\nconnections_per_address = 4")
        .domain(DOMAIN, routes)
        .self_signed_application("billing", &[credentials.thumbprint()])
        .start();
    let (stranger, mut waiting) = (Client::new(&edge), Vec::new());
    for _ in 0..4 {
        let mut frames = Frames::connect(&stranger, &[]).await;
        frames.get("/open").await.unwrap();
        held.arrived().await;
        waiting.push(frames);
    }
    // It may be refused while all of them are new.
    let client = Client::with(&edge, &credentials);
    timeout(PATIENCE, async { while client.tls().await.is_err() {} }).await.expect("none is closed for it");
    let line = edge.wait_for_log("\"aborted\":");
    assert!(line.contains("\"aborted\":\"evicted\"") && line.contains("\"path\":\"/open\""), "{line}");
}
