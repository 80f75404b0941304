//! Memory for request bodies: unauthenticated clients can make the edge buffer almost nothing, applications a bounded amount.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use crate::support::{
    Ca, Client, Credentials, DOMAIN, Edge, EdgeBuilder, PATIENCE, Upstream, admin, bodies::gated,
    openssl_sha256, self_signed, verdict,
};

const LIMIT: usize = 65_536;

fn start(upstream: &Upstream, limits: &str) -> (Edge, Credentials) {
    let registered = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .limits(limits)
        .self_signed_application("billing", &[registered.thumbprint()])
        .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
        .trust("ca", &Ca::new("Client CA").pem())
        .start();
    (edge, registered)
}

async fn buffered(edge: &Edge) -> usize {
    admin::metric(edge, "mtls_edge_buffered_bytes").await.try_into().unwrap()
}

/// Waits until this many bytes are buffered.
async fn until_buffered(edge: &Edge, bytes: usize) {
    let start = std::time::Instant::now();
    loop {
        let now = buffered(edge).await;
        if now == bytes {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{now} bytes are buffered, not {bytes}");
        tokio::task::yield_now().await;
    }
}

fn head(client_id: &str, framing: &str) -> String {
    format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: application/x-www-form-urlencoded\r\n{framing}\r\n\r\nclient_id={client_id}&x="
    )
}

/// A request without the last byte of its body.
fn unfinished(client_id: &str) -> Vec<u8> {
    let head = head(client_id, &format!("content-length: {LIMIT}"));
    let body = head.len() - head.find("client_id=").unwrap();
    [head.as_bytes(), &vec![b'y'; LIMIT - 1 - body]].concat()
}

/// A token request with this form as its body.
fn request<B>(body: B) -> Request<B> {
    Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .unwrap()
}

/// A body that begins with this and never ends.
struct Endless(Option<Bytes>);

impl Endless {
    const fn new(beginning: &'static str) -> Self {
        Self(Some(Bytes::from_static(beginning.as_bytes())))
    }
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |beginning| Poll::Ready(Some(Ok(Frame::data(beginning)))))
    }
}

#[tokio::test]
async fn the_body_of_an_unknown_client_is_not_awaited() {
    let upstream = Upstream::start().await;
    let (edge, _) = start(&upstream, "");
    let expired = crate::support::certificates::self_signed_with("nobody", |params| {
        params.not_after = crate::support::certificates::time_from_now(-60);
    });
    for (stranger, description) in [
        (self_signed("nobody"), verdict::NOT_REGISTERED),
        (Ca::new("Nobody's CA").issue("other", |_| {}), verdict::NOT_REGISTERED),
        (expired, verdict::EXPIRED),
    ] {
        let client = Client::with(&edge, &stranger);
        // A registered client, by either method, and an unregistered one: the response is the same.
        for client_id in ["billing", "payments", "nobody"] {
            let mut stream = client.tls().await.unwrap();
            stream.write_all(&unfinished(client_id)).await.unwrap();
            let mut answer = vec![0; 4096];
            let length =
                timeout(PATIENCE, stream.read(&mut answer)).await.expect("it waits for the body").unwrap();
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
            assert!(answer.contains(description), "{answer}");
            assert!(answer.contains("connection: close"), "{answer}");
        }
        // Also over HTTP/2, on as many streams as may be open.
        let mut connection = client.http2().connect().await;
        let request = request(Endless::new("client_id=billing&x=y"));
        let answer = timeout(PATIENCE, connection.send(request)).await.expect("it waits for the body");
        assert_eq!(answer.oauth_error(401, "invalid_client"), description);
    }
    assert_eq!(buffered(&edge).await, 0);
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn the_log_names_the_claimed_client() {
    let upstream = Upstream::start().await;
    let (edge, _) = start(&upstream, "");
    let client = Client::with(&edge, &self_signed("nobody"));
    // A body that arrives with the head is read; otherwise the head decides.
    let refused = verdict::refused(&edge, &client, &upstream, "billing").await;
    assert_eq!(refused.log["client_id"], "billing");
    let request = Request::post("/oauth/token")
        .header("authorization", "Basic YmlsbGluZzp4")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Endless::new("x=y"))
        .unwrap();
    let answer = client.connect().await.send(request).await;
    answer.oauth_error(401, "invalid_client");
    let log = edge.log_of(&answer);
    assert_eq!(
        (&log["client_id"], &log["reason"]),
        (&"billing".into(), &"certificate is not registered for any application".into())
    );
}

/// Sends this many unfinished bodies, each on a connection of its own, while `before` bytes are buffered.
async fn hold(
    edge: &Edge,
    client: &Client,
    id: &str,
    bodies: usize,
    before: usize,
) -> Vec<TlsStream<TcpStream>> {
    let mut held = Vec::new();
    // A Content-Length is counted once, however many parts the body arrives in.
    for number in 1..=bodies {
        let mut stream = client.tls().await.unwrap();
        stream.write_all(&unfinished(id)).await.unwrap();
        stream.flush().await.unwrap();
        held.push(stream);
        until_buffered(edge, before + number * LIMIT).await;
    }
    held
}

#[tokio::test]
async fn an_application_leaves_body_memory_to_others() {
    let upstream = Upstream::start().await;
    let all: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(|id| (id, self_signed(id))).collect();
    let mut edge =
        EdgeBuilder::new(upstream.url()).usual_domain("auth0").limits("buffered_bytes = 1_048_576");
    for (id, credentials) in &all {
        edge = edge.self_signed_application(id, &[credentials.thumbprint()]);
    }
    let edge = edge.start();
    let mut held = Vec::new();
    for (number, (id, credentials)) in all[..4].iter().enumerate() {
        let client = Client::with(&edge, credentials);
        // Whether its connections have authenticated before or not.
        let known = client.connect().await;
        held.extend(hold(&edge, &client, id, 4, number * 4 * LIMIT).await);
        // It has used its quarter of the memory, on whatever connection; others have not.
        for client in [client.clone(), client.clone().http2()] {
            let answer = client.token(id).await;
            answer.oauth_error(503, "temporarily_unavailable");
            assert_eq!(answer.headers["retry-after"], "2");
        }
        drop(known);
        let (next, credentials) = &all[number + 1];
        let expected = if number == 3 { 503 } else { 200 };
        assert_eq!(Client::with(&edge, credentials).token(next).await.status, expected, "{next}");
    }
    assert_eq!(buffered(&edge).await, 16 * LIMIT);
    assert_eq!(upstream.seen().len(), 3);
    assert_eq!(admin::metric(&edge, "mtls_edge_requests_total{outcome=\"upstream_failed\"}").await, 0);
    admin::assert_counted(&edge, "body_memory").await;
    // One request continues, the others are cancelled: all memory is released.
    let mut whole = held.pop().unwrap();
    whole.write_all(b"z").await.unwrap();
    let mut answer = vec![0; 12];
    timeout(PATIENCE, whole.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    drop(held);
    until_buffered(&edge, 0).await;
    for (id, credentials) in &all {
        assert_eq!(Client::with(&edge, credentials).token(id).await.status, 200);
    }
    until_buffered(&edge, 0).await;
}

#[tokio::test]
async fn an_application_by_secret_leaves_memory_to_others() {
    let upstream = Upstream::start().await;
    let secret = |secret: &str| format!("secret_sha256 = \"{}\"", openssl_sha256(secret));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0\"\nclient_auth = \"optional")
        .limits("buffered_bytes = 1_048_576")
        .application("one", "client_secret_post", &[secret("1")])
        .application("two", "client_secret_post", &[secret("2")])
        .start();
    let form = |id: &str, secret: &str| format!("client_id={id}&client_secret={secret}&x=");
    let whole = |form: String| request(Full::new(Bytes::from(form)));
    let (mut senders, mut answers, mut connections) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=2 {
        let mut connection = Client::new(&edge).http2().connect().await;
        assert_eq!(connection.send(whole(form("one", "1"))).await.status, 200);
        for held in 1..=2 {
            let (sender, body) = gated();
            let form = form("one", "1");
            let filling = [form.as_bytes(), &vec![b'y'; LIMIT - form.len() - 1]].concat();
            sender.send(filling.into()).unwrap();
            answers.push(connection.start(request(body)));
            senders.push(sender);
            until_buffered(&edge, ((number - 1) * 2 + held) * LIMIT).await;
        }
        connections.push(connection);
    }
    for connection in &mut connections {
        connection.send(whole(form("one", "1"))).await.oauth_error(503, "temporarily_unavailable");
    }
    let mut other = Client::new(&edge).connect().await;
    assert_eq!(other.send(whole(form("two", "2"))).await.status, 200);
    assert_eq!(other.send(whole(form("two", "2"))).await.status, 200);
    drop(senders);
    for answer in answers {
        assert_eq!(timeout(PATIENCE, answer).await.unwrap().unwrap().status, 200);
    }
    until_buffered(&edge, 0).await;
}

/// Where clients authenticate by other means than a certificate, anybody may send a body: but half of the memory stays free for
/// those whose certificate is registered.
#[tokio::test]
async fn strangers_leave_half_of_the_memory_to_clients() {
    let upstream = Upstream::start().await;
    let registered = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0\"\nclient_auth = \"optional")
        .limits("buffered_bytes = 1_048_576")
        .self_signed_application("billing", &[registered.thumbprint()])
        .application("spa", "none", &[])
        .start();
    let mut held = Vec::new();
    for number in 1..=8 {
        let mut stream = Client::new(&edge).tls().await.unwrap();
        stream.write_all(&unfinished("spa")).await.unwrap();
        stream.flush().await.unwrap();
        held.push(stream);
        until_buffered(&edge, number * LIMIT).await;
    }
    Client::new(&edge).token("spa").await.oauth_error(503, "temporarily_unavailable");
    assert_eq!(Client::with(&edge, &registered).token("billing").await.status, 200);
    drop(held);
    until_buffered(&edge, 0).await;
    assert_eq!(Client::new(&edge).token("spa").await.status, 200);
}

/// The streams of one connection share a part of it until a request on the connection is authenticated.
#[tokio::test]
async fn one_connection_of_a_stranger_holds_little_memory() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0\"\nclient_auth = \"optional")
        .application("spa", "none", &[])
        .start();
    let mut connection = Client::new(&edge).http2().connect().await;
    let mut senders = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..4 {
        let (sender, body) = gated();
        let filling = [b"client_id=spa&x=".as_slice(), &vec![b'y'; LIMIT - 17]].concat();
        sender.send(filling.into()).unwrap();
        answers.push(connection.start(request(body)));
        senders.push(sender);
    }
    until_buffered(&edge, 4 * LIMIT).await;
    connection.token("spa").await.oauth_error(503, "temporarily_unavailable");
    // Other connections have their own part.
    assert_eq!(Client::new(&edge).token("spa").await.status, 200);
    drop(senders);
    for answer in answers {
        assert_eq!(timeout(PATIENCE, answer).await.unwrap().unwrap().status, 200);
    }
    until_buffered(&edge, 0).await;
}

#[tokio::test]
async fn body_memory_is_released_however_it_ends() {
    let upstream = Upstream::start().await;
    let (edge, registered) = start(&upstream, "body_timeout = \"1s\"");
    let client = Client::with(&edge, &registered);
    let chunk = |bytes: usize| format!("{bytes:x}\r\n{}\r\n", "y".repeat(bytes));
    let chunked = head("billing", "transfer-encoding: chunked");
    let chunked = chunked.split("client_id=").next().unwrap();
    let start = "11\r\nclient_id=billing\r\n2\r\n&x\r\n";
    for (bytes, status) in [
        // Complete; too long; without a client_id; with invalid framing; too slow.
        (format!("{chunked}{start}{}0\r\n\r\n", chunk(9_000).repeat(5)), "200"),
        (format!("{chunked}{start}{}", chunk(9_000).repeat(9)), "413"),
        (format!("{chunked}{}0\r\n\r\n", chunk(9_000).repeat(5)), "400"),
        (format!("{chunked}{start}{}zz\r\n", chunk(9_000).repeat(5)), "400"),
        (format!("{chunked}{start}{}", chunk(9_000).repeat(5)), "408"),
        (String::from_utf8(unfinished("billing")).unwrap(), "408"),
    ] {
        let mut stream = client.tls().await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(std::str::from_utf8(&answer[9..]).unwrap(), status);
        until_buffered(&edge, 0).await;
    }
    // A chunked body uses no more than the limit, and one that breaks off releases its memory.
    let mut stream = client.tls().await.unwrap();
    stream.write_all(format!("{chunked}{start}{}", chunk(9_000).repeat(6)).as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    while buffered(&edge).await < 6 * 9_000 {
        tokio::task::yield_now().await;
    }
    assert!(buffered(&edge).await <= LIMIT);
    drop(stream);
    until_buffered(&edge, 0).await;
    // A stream that is reset.
    let mut connection = client.http2().connect().await;
    let request = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Endless::new("client_id=billing&x=y"))
        .unwrap();
    tokio::select! {
        answer = connection.send(request) => panic!("{answer:?}"),
        () = until_buffered(&edge, "client_id=billing&x=y".len()) => {}
    }
    until_buffered(&edge, 0).await;
}

#[tokio::test]
async fn a_reused_connection_leaves_nothing_buffered() {
    let upstream = Upstream::start().await;
    let (edge, registered) = start(&upstream, "");
    let mut connection = Client::with(&edge, &registered).connect().await;
    for _ in 0..3 {
        assert_eq!(connection.token("billing").await.status, 200);
        until_buffered(&edge, 0).await;
    }
}
