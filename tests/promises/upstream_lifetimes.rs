//! How long connections to an upstream live, and which origin gets the next request: an origin that fails is left to one request at
//! a time, and a connection is used no longer than the origin keeps it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{future::join_all, stream::unfold};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
    sync::{Barrier, Notify, Semaphore},
};

use crate::{
    support::{
        Answer, Ca, Client, Credentials, DOMAIN, Edge, EdgeBuilder,
        scripted::{Scripted, TlsUpstream, acceptor, https, read_request},
    },
    upstream_failures::with_client,
};

fn ok() -> Response<Full<Bytes>> {
    Response::new("ok".into())
}

/// An origin that accepts connections and says nothing, so that no handshake of TLS ends.
async fn silent() -> Scripted {
    Scripted::start(|_, stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await
}

#[tokio::test]
async fn an_origin_that_failed_is_probed_by_one_request_at_a_time() {
    let ca = Ca::new("Upstream CA");
    let (failing, fine) =
        (silent().await, TlsUpstream::answering(&ca.server(&["localhost"]), &["http/1.1"], |_| ok()).await);
    let settings = "connect_timeout = \"500ms\"\nca = \"upstream-ca.pem\"";
    let edge = EdgeBuilder::new(https(&failing)).also_upstream(fine.url()).upstream(settings).workers(4);
    let edge = edge.file("upstream-ca.pem", ca.pem());
    let (edge, client) = with_client(edge);
    let clients: Vec<Client> = (0..12).map(|_| Client::with(&edge, &client)).collect();
    // The first one that gets there waits; then all workers know.
    while failing.accepted() == 0 {
        assert_eq!(clients[0].token("billing").await.status, 200);
    }
    let begun = Instant::now();
    for probed in 1..3 {
        while failing.accepted() == probed {
            for answer in join_all(clients.iter().map(|client| client.token("billing"))).await {
                assert_eq!(answer.status, 200);
            }
        }
        // More only where the machine was so slow that a further probe was due.
        let due = usize::try_from(begun.elapsed().as_secs() / 2).unwrap();
        assert!(failing.accepted() <= due.max(probed) + 1, "{} probes, {due} due", failing.accepted());
    }
}

/// Where all origins failed, requests still try.
#[tokio::test]
async fn origins_that_all_failed_are_still_tried() {
    let ca = Ca::new("Upstream CA");
    let (one, other) = (silent().await, silent().await);
    let settings = "connect_timeout = \"200ms\"\nca = \"upstream-ca.pem\"";
    let edge = EdgeBuilder::new(https(&one)).also_upstream(https(&other)).upstream(settings);
    let (edge, client) = with_client(edge.file("upstream-ca.pem", ca.pem()));
    let client = Client::with(&edge, &client);
    for tries in 1..4 {
        client.token("billing").await.oauth_error(503, "temporarily_unavailable");
        assert!(one.accepted() >= tries && other.accepted() >= tries);
    }
}

/// An edge before an upstream of HTTP/1.1 that answers with these lines, and how many connections had more than one request.
async fn answering_with(lines: &'static str) -> (Scripted, Arc<AtomicUsize>) {
    let reused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reused);
    let upstream = Scripted::start(move |_, mut stream| {
        let count = Arc::clone(&count);
        async move {
            let mut requests = 0;
            while read_request(&mut stream).await.is_some() {
                requests += 1;
                if requests == 2 {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                let answer = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\nok");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (upstream, reused)
}

async fn tokens(edge: &Edge, client: &Credentials, count: usize) {
    let client = Client::with(edge, client);
    for _ in 0..count {
        let answer = client.token("billing").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.headers.contains_key("keep-alive"));
    }
}

#[tokio::test]
async fn a_connection_of_which_no_reuse_is_certain_is_not_reused() {
    for lines in [
        "keep-alive: timeout=1\r\n",
        "Keep-Alive: timeout=0\r\nConnection: keep-alive\r\n",
        "keep-alive: max=100, Timeout = 1\r\n",
        "keep-alive: max=100\r\nkeep-alive: timeout=1\r\n",
        "keep-alive: timeout=60, max=0\r\n",
    ] {
        let (upstream, reused) = answering_with(lines).await;
        let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).workers(1));
        tokens(&edge, &client, 4).await;
        assert_eq!((upstream.accepted(), reused.load(Ordering::SeqCst)), (4, 0), "{lines}");
    }
}

#[tokio::test]
async fn a_malformed_keep_alive_is_ignored() {
    for lines in [
        "keep-alive: timeout=60, max=100\r\n",
        "keep-alive: timeout=-1, max=x\r\n",
        "keep-alive: timeout, =, max=\r\n",
        "keep-alive: 0\r\n",
    ] {
        let (upstream, reused) = answering_with(lines).await;
        let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).workers(1));
        tokens(&edge, &client, 4).await;
        assert_eq!((upstream.accepted(), reused.load(Ordering::SeqCst)), (1, 1), "{lines}");
    }
}

/// The origin closes in the middle of a request that comes later than it has said.
#[tokio::test]
async fn a_connection_is_not_reused_later_than_its_origin_says() {
    let upstream = Scripted::start(|_, mut stream| async move {
        let mut answered: Option<Instant> = None;
        while read_request(&mut stream).await.is_some() {
            if answered.is_some_and(|at| at.elapsed() > Duration::from_secs(2)) {
                return;
            }
            answered = Some(Instant::now());
            let answer = b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=2\r\ncontent-length: 2\r\n\r\nok";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    })
    .await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).workers(1));
    tokens(&edge, &client, 2).await;
    assert_eq!(upstream.accepted(), 1);
    tokio::time::sleep(Duration::from_millis(2200)).await;
    tokens(&edge, &client, 1).await;
    assert_eq!(upstream.accepted(), 2);
}

type Boxed = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// An upstream of HTTP/2 that permits so many streams a connection, and adds to the semaphore when one ends.
async fn http2_upstream<F, S>(ca: &Ca, streams: u32, ended: Arc<Semaphore>, answer: F) -> Scripted
where
    F: Fn(Request<Incoming>) -> S + Clone + Send + Sync + 'static,
    S: Future<Output = Response<Boxed>> + Send + 'static,
{
    let acceptor = acceptor(&ca.server(&["localhost"]), &["h2"]);
    Scripted::start(move |_, stream| {
        let (acceptor, answer, ended) = (acceptor.clone(), answer.clone(), Arc::clone(&ended));
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| {
                let answer = answer(request);
                async move { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            let mut builder = conn::http2::Builder::new(TokioExecutor::new());
            let _ =
                builder.max_concurrent_streams(streams).serve_connection(TokioIo::new(stream), service).await;
            ended.add_permits(1);
        }
    })
    .await
}

/// An edge of one worker before such an upstream.
fn edge_before_http2(upstream: &Scripted, ca: &Ca, settings: &str) -> (Edge, Credentials) {
    let edge = EdgeBuilder::new(https(upstream)).file("upstream-ca.pem", ca.pem());
    with_client(edge.upstream("ca = \"upstream-ca.pem\"").upstream(settings).workers(1))
}

#[tokio::test]
async fn an_http2_connection_that_died_in_silence_is_replaced() {
    let ca = Ca::new("Upstream CA");
    let upstream = TlsUpstream::answering(&ca.server(&["localhost"]), &["h2"], |_| ok()).await;
    let port: u16 = upstream.url().rsplit(':').next().unwrap().parse().unwrap();
    let silence = Arc::new(Notify::new());
    let falls_silent = Arc::clone(&silence);
    let forwarder = Scripted::start(move |number, mut near| {
        let silence = Arc::clone(&falls_silent);
        async move {
            let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                () = silence.notified(), if number == 0 => std::future::pending().await,
            }
        }
    })
    .await;
    let (edge, client) = edge_before_http2(&forwarder, &ca, "response_timeout = \"500ms\"");
    let client = Client::with(&edge, &client);
    assert_eq!(client.token("billing").await.status, 200);
    silence.notify_one();
    tokio::task::yield_now().await;
    assert_eq!(client.token("billing").await.status, 504);
    for _ in 0..3 {
        assert_eq!(client.token("billing").await.status, 200);
    }
    assert_eq!(forwarder.accepted(), 2);
}

async fn get(client: &Client, path: &str) -> Answer {
    let request = Request::get(path).header("host", DOMAIN).body(Full::<Bytes>::default()).unwrap();
    client.connect().await.send(request).await
}

#[tokio::test]
async fn a_response_timeout_leaves_the_other_streams_alone() {
    let (ca, goes_on) = (Ca::new("Upstream CA"), Arc::new(Semaphore::new(0)));
    let ends = Arc::clone(&goes_on);
    let upstream = http2_upstream(&ca, 100, Arc::new(Semaphore::new(0)), move |request| {
        let ends = Arc::clone(&ends);
        async move {
            match request.uri().path() {
                // Goes on until the other one has timed out.
                "/any/long" => {
                    let frames = unfold(ends, |ends| async {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        if ends.try_acquire().is_ok() {
                            return None;
                        }
                        Some((Ok(Frame::data(Bytes::from_static(b"."))), ends))
                    });
                    Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
                }
                "/any/never" => std::future::pending().await,
                _ => ok().map(BodyExt::boxed_unsync),
            }
        }
    })
    .await;
    let (edge, client) = edge_before_http2(&upstream, &ca, "response_timeout = \"1s\"");
    let (one, other) = (Client::with(&edge, &client), Client::with(&edge, &client));
    assert_eq!(get(&one, "/any/first").await.status, 200);
    let never = async {
        let answer = get(&other, "/any/never").await;
        assert_eq!(get(&other, "/any/next").await.status, 200);
        goes_on.add_permits(1);
        answer
    };
    let (long, never) = tokio::join!(get(&one, "/any/long"), never);
    assert_eq!((long.status.as_u16(), never.status.as_u16()), (200, 504));
    assert!(!long.body.is_empty());
    assert_eq!(upstream.accepted(), 2);
}

#[tokio::test]
async fn a_second_connection_is_opened_at_the_limit_of_streams() {
    const AT_ONCE: usize = 6;
    for streams in [1, 2] {
        // Each request is answered once all are there.
        let (ca, all) = (Ca::new("Upstream CA"), Arc::new(Barrier::new(AT_ONCE)));
        let upstream = http2_upstream(&ca, streams, Arc::new(Semaphore::new(0)), move |_| {
            let all = Arc::clone(&all);
            async move {
                all.wait().await;
                ok().map(BodyExt::boxed_unsync)
            }
        })
        .await;
        let (edge, client) = edge_before_http2(&upstream, &ca, "response_timeout = \"5s\"");
        let clients: Vec<Client> = (0..AT_ONCE).map(|_| Client::with(&edge, &client)).collect();
        for _ in 0..3 {
            for answer in join_all(clients.iter().map(|client| client.token("billing"))).await {
                assert_eq!(answer.status, 200);
            }
        }
        assert!(upstream.accepted() <= AT_ONCE, "{} connections", upstream.accepted());
    }
}

#[tokio::test]
async fn an_unused_http2_connection_is_closed() {
    let (ca, ended) = (Ca::new("Upstream CA"), Arc::new(Semaphore::new(0)));
    let upstream =
        http2_upstream(&ca, 100, Arc::clone(&ended), |_| async { ok().map(BodyExt::boxed_unsync) }).await;
    let (edge, client) = edge_before_http2(&upstream, &ca, "idle_timeout = \"1s\"");
    let client = Client::with(&edge, &client);
    for connections in 1..3 {
        assert_eq!(client.token("billing").await.status, 200);
        assert_eq!(upstream.accepted(), connections);
        ended.acquire().await.unwrap().forget();
    }
}
