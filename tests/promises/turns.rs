//! A burst of unauthenticated clients delays no other client: the order in which one worker serves requests that arrive at once.
//!
//! The edge is stopped while they send, the burst first. It responds without an upstream, so its log shows the order.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, PATIENCE, Upstream, admin, frames::Frames, self_signed,
    with_client,
};

/// The connections of the burst.
const BURST: usize = 200;
/// How many steps of the burst may run before another client's. With turns it is one, without them nearly all.
const FEW: usize = 5;

const STRANGER: &str = "127.0.0.1";
/// The address from which an application authenticates before the burst.
const KNOWN: &str = "127.0.0.2";
/// The address of another unauthenticated client, which sends one request.
const NEWCOMER: &str = "127.0.0.3";

fn one_worker(upstream: &Upstream) -> (Edge, Credentials) {
    with_client(EdgeBuilder::new(upstream.url()).workers(1).limits("handshake_timeout = \"10m\""))
}

/// Resumes the edge. Returns the client addresses of the log lines with this text, in order.
fn order(edge: &Edge, text: &str, lines: usize) -> Vec<String> {
    let before = edge.log().lines().filter(|line| line.contains(text)).count();
    edge.signal("CONT");
    edge.wait_for_logs(text, before + lines);
    let log = edge.log();
    let lines = log.lines().filter(|line| line.contains(text)).skip(before);
    let client = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["client_ip"].clone();
    lines.map(|line| client(line).as_str().unwrap().to_owned()).collect()
}

/// Asserts that only a few steps of the burst ran before this client's.
fn assert_waited_little(order: &[String], client: &str) {
    let place = order.iter().position(|other| other == client).unwrap();
    assert!(place <= FEW, "{client} came after {place} others: {order:?}");
}

#[tokio::test]
async fn a_burst_of_handshakes_delays_no_other_network() {
    let upstream = Upstream::start().await;
    let (edge, billing) = one_worker(&upstream);
    let billing = Client::with(&edge, &billing).from(KNOWN);
    assert_eq!(billing.token("billing").await.status, 200);
    let accepted = admin::metric(&edge, "mtls_edge_connections_accepted_total").await;
    // A handshake for an unknown domain ends with its first message, and a log line.
    let client = Client::new(&edge).server_name("other.example");
    let mut streams: Vec<TcpStream> = Vec::new();
    for address in std::iter::repeat_n(STRANGER, BURST).chain([NEWCOMER, KNOWN]) {
        streams.push(client.clone().from(address).tcp().await.unwrap());
    }
    let all = accepted + i64::try_from(streams.len()).unwrap();
    let accepted =
        async { while admin::metric(&edge, "mtls_edge_connections_accepted_total").await < all {} };
    timeout(PATIENCE, accepted).await.expect("connections are not accepted");
    edge.freeze();
    for (number, stream) in streams.iter_mut().enumerate() {
        if number == BURST {
            edge.wait_for_unread(BURST);
        }
        stream.write_all(&client.hello()).await.unwrap();
    }
    edge.wait_for_unread(BURST + 2);
    // So many lines are logged at once.
    let order = order(&edge, "\"handshake failed\"", 100);
    assert_waited_little(&order, NEWCOMER);
    assert_waited_little(&order, KNOWN);
}

#[tokio::test]
async fn a_burst_of_requests_delays_no_other_client() {
    let upstream = Upstream::start().await;
    let (edge, billing) = one_worker(&upstream);
    let stranger = Client::with(&edge, &self_signed("stranger"));
    let mut streams = Vec::new();
    for address in std::iter::repeat_n(STRANGER, BURST).chain([NEWCOMER]) {
        streams.push(stranger.clone().from(address).tls().await.unwrap());
    }
    let mut proved = Client::with(&edge, &billing).from(KNOWN).tls().await.unwrap();
    let body = "grant_type=client_credentials&client_id=billing";
    let token = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    proved.write_all(token.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    proved.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    streams.push(proved);
    edge.freeze();
    let request = format!("GET /elsewhere HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n");
    for (number, stream) in streams.iter_mut().enumerate() {
        if number == BURST {
            edge.wait_for_unread(BURST);
        }
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    edge.wait_for_unread(BURST + 2);
    let order = order(&edge, "/elsewhere", BURST + 2);
    assert_waited_little(&order, NEWCOMER);
    assert_waited_little(&order, KNOWN);
}

#[tokio::test]
async fn a_burst_of_streams_delays_no_other_client() {
    const STREAMS: u32 = 90;
    let upstream = Upstream::start().await;
    let (edge, billing) = one_worker(&upstream);
    let stranger = Client::with(&edge, &self_signed("stranger"));
    let mut burst = Frames::connect(&stranger, &[]).await;
    let mut newcomer = Frames::connect(&stranger.clone().from(NEWCOMER), &[]).await;
    for connection in [&mut burst, &mut newcomer] {
        let stream = connection.get("/before").await.unwrap();
        connection.until_answered(stream).await;
    }
    let mut proved = Frames::connect(&Client::with(&edge, &billing).from(KNOWN), &[]).await;
    let stream = proved.token("billing").await.unwrap();
    proved.until_answered(stream).await;
    edge.freeze();
    burst.gets("/elsewhere", STREAMS).await.unwrap();
    edge.wait_for_unread(1);
    newcomer.get("/elsewhere").await.unwrap();
    proved.get("/elsewhere").await.unwrap();
    edge.wait_for_unread(3);
    let order = order(&edge, "/elsewhere", usize::try_from(STREAMS).unwrap() + 2);
    assert_waited_little(&order, NEWCOMER);
    assert_waited_little(&order, KNOWN);
}
