//! How long HTTP/2 connections to an upstream live, and how many requests share one.

use std::{
    fs,
    sync::Arc,
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
    io::copy_bidirectional,
    net::TcpStream,
    sync::{Barrier, Notify, Semaphore},
    time::timeout,
};

use crate::support::{
    Answer, Ca, Client, Credentials, DOMAIN, Edge, EdgeBuilder, PATIENCE, TlsUpstream, Upstream, admin,
    frames::Frames,
    scripted::{Scripted, acceptor, https},
    with_client,
};

fn ok() -> Response<Full<Bytes>> {
    Response::new("ok".into())
}

type Boxed = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// An HTTP/2 upstream that permits this many streams per connection, and adds a permit to the semaphore when a connection ends.
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

/// An edge with one worker and such an upstream.
fn edge_before_http2(upstream: &Scripted, ca: &Ca, settings: &str) -> (Edge, Credentials) {
    let edge = EdgeBuilder::new(https(upstream)).file("upstream-ca.pem", ca.pem());
    with_client(edge.upstream("ca = \"upstream-ca.pem\"").upstream(settings).workers(1))
}

/// An HTTP/2 upstream whose first connection falls silent when this is notified: it stays open, and nothing more is read or sent.
async fn falling_silent(upstream: &TlsUpstream, silence: &Arc<Notify>) -> Scripted {
    let port: u16 = upstream.url().rsplit(':').next().unwrap().parse().unwrap();
    let silence = Arc::clone(silence);
    Scripted::start(move |number, mut near| {
        let silence = Arc::clone(&silence);
        async move {
            let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                () = silence.notified(), if number == 0 => std::future::pending().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_http2_connection_that_died_in_silence_is_replaced() {
    let (ca, silence) = (Ca::new("Upstream CA"), Arc::new(Notify::new()));
    let upstream = TlsUpstream::answering(&ca.server(&["localhost"]), &["h2"], |_| ok()).await;
    let forwarder = falling_silent(&upstream, &silence).await;
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

/// Long before `response_timeout`: a PING is sent after 15 s without a byte, and its acknowledgement is awaited for 10 s.
#[tokio::test]
async fn an_unanswered_ping_ends_a_request_with_504() {
    let (ca, silence) = (Ca::new("Upstream CA"), Arc::new(Notify::new()));
    let upstream = TlsUpstream::answering(&ca.server(&["localhost"]), &["h2"], |_| ok()).await;
    let forwarder = falling_silent(&upstream, &silence).await;
    let (edge, client) = edge_before_http2(&forwarder, &ca, "response_timeout = \"10m\"");
    let client = Client::with(&edge, &client);
    assert_eq!(client.token("billing").await.status, 200);
    silence.notify_one();
    tokio::task::yield_now().await;
    let mut frames = Frames::connect(&client, &[]).await;
    let stream = frames.token("billing").await.unwrap();
    // The client's own time limit is shorter.
    tokio::time::sleep(Duration::from_secs(20)).await;
    frames.until_answered(stream).await;
    let line = edge.wait_for_log("\"status\":504");
    assert!(line.contains("within 25s"), "{line}");
    assert_eq!(client.token("billing").await.status, 200);
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
                // Continues until the other one has timed out.
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
        // The responses are sent once all requests have arrived.
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

#[tokio::test]
async fn http2_connections_of_a_replaced_upstream_are_closed() {
    let (ca, ended) = (Ca::new("Upstream CA"), Arc::new(Semaphore::new(0)));
    let upstream =
        http2_upstream(&ca, 100, Arc::clone(&ended), |_| async { ok().map(BodyExt::boxed_unsync) }).await;
    let next = Upstream::start().await;
    let (edge, client) = edge_before_http2(&upstream, &ca, "idle_timeout = \"10m\"");
    let client = Client::with(&edge, &client);
    assert_eq!(client.token("billing").await.status, 200);
    replace_upstream(&edge, &https(&upstream), next.url());
    timeout(PATIENCE, ended.acquire()).await.expect("the connection stays open").unwrap().forget();
    assert_eq!(client.token("billing").await.status, 200);
    assert_eq!(upstream.accepted(), 1);
}

fn replace_upstream(edge: &Edge, former: &str, next: impl std::fmt::Display) {
    let text = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    assert!(text.contains(former));
    edge.reload("edge.toml", &text.replace(former, &next.to_string()));
}

/// If no further connection to upstreams is permitted, an idle one is closed as soon as another is needed, not seconds later.
#[tokio::test]
async fn unused_http2_connections_make_room_for_another_upstream() {
    let (ca, goes_on) = (Ca::new("Upstream CA"), Arc::new(Semaphore::new(0)));
    let permits = Arc::clone(&goes_on);
    let upstream = http2_upstream(&ca, 1, Arc::new(Semaphore::new(0)), move |_| {
        let permits = Arc::clone(&permits);
        async move {
            permits.acquire().await.unwrap().forget();
            ok().map(BodyExt::boxed_unsync)
        }
    })
    .await;
    let next = Upstream::start().await;
    let edge = EdgeBuilder::new(https(&upstream)).file("upstream-ca.pem", ca.pem()).open_files("-n 128");
    let edge = edge.upstream("ca = \"upstream-ca.pem\"\nidle_timeout = \"10m\"").workers(1);
    let (edge, client) = with_client(edge);
    let client = Client::with(&edge, &client);
    let places = admin::status(&edge, "").await["limits"]["upstream_connections"].as_u64().unwrap();
    let places = usize::try_from(places).unwrap();
    let mut frames = Frames::connect(&client, &[]).await;
    let mut streams = Vec::new();
    for opened in 1..=places {
        streams.push(frames.token("billing").await.unwrap());
        let all = async {
            while upstream.accepted() < opened {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, all).await.expect("no connection for the request");
    }
    replace_upstream(&edge, &https(&upstream), next.url());
    let answered = Instant::now();
    goes_on.add_permits(places);
    for stream in streams {
        frames.until_answered(stream).await;
    }
    assert_eq!(client.token("billing").await.status, 200, "{:?} after the answers", answered.elapsed());
}
