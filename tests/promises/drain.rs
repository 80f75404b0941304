//! SIGTERM drains the edge: requests in flight finish, new ones are not accepted, and it exits with 0 in bounded time.

use std::{process::Stdio, sync::Arc, time::Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use crate::support::{
    Client, Credentials, DOMAIN, Edge, EdgeBuilder, Held, PATIENCE, Upstream, admin,
    command::start_problems,
    frames::{Frame, Frames, GOAWAY, PING},
    program,
    scripted::{Scripted, read_request},
    with_client,
};

fn edge_before(held: &Held, limits: &str) -> (Edge, Credentials) {
    with_client(EdgeBuilder::new(held.url()).limits(limits))
}

/// Waits for the exit without blocking other tasks.
async fn exit_code(mut edge: Edge) -> (Option<i32>, String) {
    tokio::task::spawn_blocking(move || (edge.wait().code(), edge.log())).await.unwrap()
}

#[tokio::test]
async fn requests_in_flight_finish_and_nothing_new_begins() {
    let mut held = Held::start().await;
    let (edge, client) = edge_before(&held, "");
    let client = Client::with(&edge, &client);
    let mut idle = client.connect().await;
    held.release(1);
    assert_eq!(idle.token("billing").await.status, 200);
    held.arrived().await;
    let (mut first, mut second) = (client.connect().await, client.clone().http2().connect().await);
    let in_flight = tokio::spawn(async move { (first.token("billing").await, first) });
    held.arrived().await;
    let in_flight_http2 = tokio::spawn(async move { (second.token("billing").await, second) });
    held.arrived().await;
    assert_eq!(admin::get(&edge, "/readyz").await.0, 200);

    edge.signal("TERM");
    edge.wait_for_log("draining");
    // A connection that is idle after a request is closed; no new one is accepted.
    idle.closed().await;
    timeout(PATIENCE, async {
        while TcpStream::connect(edge.https).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("new connections are still accepted");
    assert_eq!(admin::get(&edge, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(admin::get(&edge, "/readyz").await, (503, "not ready\n".to_owned()));
    assert!(!in_flight.is_finished() && !in_flight_http2.is_finished());

    held.release(2);
    let (answer, mut connection) = in_flight.await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"ok"[..]));
    assert_eq!(answer.headers["connection"], "close");
    connection.closed().await;
    let (answer, mut connection) = in_flight_http2.await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"ok"[..]));
    connection.closed().await;
    let (code, log) = exit_code(edge).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("\"drained\""), "{log}");
    assert!(!log.contains("drain_timeout is over"), "{log}");
}

#[tokio::test]
async fn drain_delay_accepts_while_readyz_is_503() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits("drain_delay = \"700ms\""));
    let client = Client::with(&edge, &client);
    let (mut kept, mut http2) = (client.connect().await, client.clone().http2().connect().await);
    for connection in [&mut kept, &mut http2] {
        assert_eq!(connection.token("billing").await.status, 200);
    }
    edge.signal("TERM");
    edge.wait_for_log("draining");
    let start = Instant::now();
    http2.closed().await;
    assert_eq!(admin::get(&edge, "/readyz").await, (503, "not ready\n".to_owned()));
    // A connection serves one more request, and a new one serves its first.
    for mut connection in [kept, client.connect().await] {
        let answer = connection.token("billing").await;
        assert_eq!((answer.status.as_u16(), &answer.headers["connection"]), (200, &"close".parse().unwrap()));
        connection.closed().await;
    }
    let mut connection = client.clone().http2().connect().await;
    assert_eq!(connection.token("billing").await.status, 200);
    connection.closed().await;
    assert!(start.elapsed().as_millis() < 700, "the machine is too slow for this test");
    // One that stays idle does not outlive the delay.
    let mut idle = client.connect().await;
    idle.closed().await;
    let (code, log) = exit_code(edge).await;
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test]
async fn a_response_that_has_begun_is_not_the_last() {
    let rest = Arc::new(Semaphore::new(0));
    let permits = Arc::clone(&rest);
    let upstream = Scripted::start(move |_, mut stream| {
        let permits = Arc::clone(&permits);
        async move {
            while read_request(&mut stream).await.is_some() {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await.unwrap();
                permits.acquire().await.unwrap().forget();
                stream.write_all(b"lf").await.unwrap();
            }
        }
    })
    .await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits("drain_delay = \"2s\""));
    let mut stream = Client::with(&edge, &client).tls().await.unwrap();
    let body = "client_id=billing";
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let first = read_until(&mut stream, "\r\n\r\nha").await;
    assert!(first.starts_with("HTTP/1.1 200 ") && !first.contains("connection: close"), "{first}");
    edge.signal("TERM");
    edge.wait_for_log("draining");
    rest.add_permits(2);
    read_until(&mut stream, "lf").await;
    // The client could not know that it was the last one: the next one is.
    stream.write_all(request.as_bytes()).await.unwrap();
    let second = read_until(&mut stream, "half").await;
    assert!(second.starts_with("HTTP/1.1 200 ") && second.contains("connection: close"), "{second}");
    assert_eq!(exit_code(edge).await.0, Some(0));
}

/// Reads until the text ends so.
async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let (mut text, mut part) = (String::new(), [0; 4096]);
    while !text.ends_with(end) {
        let read = timeout(PATIENCE, stream.read(&mut part)).await.unwrap().unwrap();
        assert!(read > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&part[..read]).unwrap());
    }
    text
}

#[tokio::test]
async fn queued_connections_are_accepted_before_the_exit() {
    let upstream = Upstream::start().await;
    let limits =
        "handshake_timeout = \"1s\"\nconnections_per_address = 10000\nhandshakes_per_address = 10000";
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits(limits).quiet());
    let client = Client::with(&edge, &client);
    // More than a worker accepts before it notices the signal: the kernel queues them meanwhile.
    edge.signal("STOP");
    let mut queued = Vec::new();
    for _ in 0..1000 {
        queued.push(client.tcp().await.unwrap());
    }
    edge.signal("TERM");
    edge.signal("CONT");
    // Each has its time for a handshake. The kernel resets those that nobody accepts.
    for (number, mut stream) in queued.into_iter().enumerate() {
        let end = timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("it stays open");
        assert!(end.is_ok(), "connection {number}: {end:?}");
    }
    assert_eq!(exit_code(edge).await.0, Some(0));
}

/// Sets the soft limit of the edge's open files.
fn limit_open_files(edge: &Edge, current: Option<u64>) {
    let pid = Pid::from_raw(edge.id().try_into().unwrap());
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

#[tokio::test]
async fn queued_connections_wait_for_descriptors_at_the_end() {
    let upstream = Upstream::start().await;
    // The limit must be raised within a second, which a busy machine may miss.
    let mut served = false;
    for becomes_free in [true, true, true, false] {
        if becomes_free && served {
            continue;
        }
        let limits = EdgeBuilder::new(upstream.url()).limits("handshake_timeout = \"1s\"").workers(1);
        let (edge, client) = with_client(limits);
        let client = Client::with(&edge, &client);
        // So that its worker runs.
        assert_eq!(client.token("billing").await.status, 200);
        edge.freeze();
        let mut queued = client.tcp().await.unwrap();
        limit_open_files(&edge, Some(3));
        edge.signal("TERM");
        edge.signal("CONT");
        edge.wait_for_log("queued connections cannot be accepted yet");
        if becomes_free {
            limit_open_files(&edge, getrlimit(Resource::Nofile).maximum);
        } else {
            edge.wait_for_log("queued connections may be reset");
        }
        let end = timeout(PATIENCE, queued.read(&mut [0; 1])).await.expect("it stays open");
        served |= end.is_ok();
        assert!(becomes_free || end.is_err(), "{end:?}");
        assert_eq!(exit_code(edge).await.0, Some(0));
    }
    assert!(served);
}

#[tokio::test]
async fn a_first_request_is_served_during_a_drain() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    let mut fresh = [client.connect().await, client.clone().http2().connect().await];
    edge.signal("TERM");
    edge.wait_for_log("draining");
    for connection in &mut fresh {
        assert_eq!(connection.token("billing").await.status, 200);
        connection.closed().await;
    }
    assert_eq!(exit_code(edge).await.0, Some(0));
}

#[tokio::test]
async fn http2_goaway_comes_in_two_steps() {
    let mut held = Held::start().await;
    let (edge, client) = edge_before(&held, "");
    let mut frames = Frames::connect(&Client::with(&edge, &client), &[]).await;
    let first = frames.token("billing").await.unwrap();
    held.arrived().await;
    edge.signal("TERM");
    let last = |frame: &Frame| u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
    // RFC 9113 section 6.8: first the highest number, and a PING to learn when the client has read it.
    let goaway = frames.until(GOAWAY).await;
    assert_eq!((last(&goaway), &goaway.payload[4..8]), (0x7fff_ffff, &[0; 4][..]));
    let ping = frames.until(PING).await;
    // A request that was sent before the client read it is served.
    let late = frames.token("billing").await.unwrap();
    frames.send(PING, 1, 0, &ping.payload).await.unwrap();
    let goaway = frames.until(GOAWAY).await;
    assert_eq!((last(&goaway), &goaway.payload[4..8]), (late, &[0; 4][..]));
    held.arrived().await;
    held.release(2);
    frames.until_answered(first).await;
    frames.until_answered(late).await;
    assert!(frames.until_closed().await.is_empty());
    assert_eq!(exit_code(edge).await.0, Some(0));
}

#[tokio::test]
async fn http2_gets_goaway_and_finishes_its_streams() {
    let mut held = Held::start().await;
    let (edge, client) = edge_before(&held, "");
    let stream = Client::with(&edge, &client).http2().tls().await.unwrap();
    let (sender, mut driver) = h2::client::handshake(stream).await.unwrap();
    let mut sender = sender.ready().await.unwrap();
    let request = http::Request::post(format!("https://{}/oauth/token", crate::support::DOMAIN))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(())
        .unwrap();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    body.send_data("client_id=billing".into(), true).unwrap();
    tokio::select! {
        ended = &mut driver => panic!("the connection ended: {ended:?}"),
        () = held.arrived() => {}
    }
    edge.signal("INT");
    let driver = tokio::spawn(driver);
    // The client refuses further streams because of the GOAWAY.
    timeout(PATIENCE, async {
        while let Ok(ready) = sender.clone().ready().await {
            drop(ready);
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("no GOAWAY");
    held.release(1);
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "ok");
    drop((body, sender));
    // Either side may close first, so the client's last frame may fail.
    let _ = timeout(PATIENCE, driver).await.expect("the connection stays open").unwrap();
    let (code, log) = exit_code(edge).await;
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test]
async fn a_drain_ends_in_bounded_time() {
    let mut held = Held::start().await;
    let (edge, client) = edge_before(&held, "drain_timeout = \"300ms\"");
    let client = Client::with(&edge, &client);
    let (mut first, mut second) = (client.connect().await, client.clone().http2().connect().await);
    let request = || crate::support::client::token_request("billing");
    let in_flight = tokio::spawn(async move { first.try_send(request()).await });
    let in_flight_http2 = tokio::spawn(async move { second.try_send(request()).await });
    held.arrived().await;
    held.arrived().await;
    let _silent = TcpStream::connect(edge.https).await.unwrap();
    edge.signal("TERM");
    let (code, log) = exit_code(edge).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("drain_timeout is over"), "{log}");
    for in_flight in [in_flight, in_flight_http2] {
        assert!(in_flight.await.unwrap().is_err(), "no answer can have come");
    }
}

#[tokio::test]
async fn health_metrics_and_status_show_the_edges_state() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &client);
    assert_eq!(client.token("billing").await.status, 200);
    assert_eq!(client.token("somebody-else").await.status, 401);
    assert_eq!(admin::get(&edge, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(admin::get(&edge, "/readyz").await, (200, "ready\n".to_owned()));
    let requests = |outcome: &str| format!("mtls_edge_requests_total{{outcome=\"{outcome}\"}}");
    assert_eq!(admin::metric(&edge, &requests("forwarded")).await, 1);
    assert_eq!(admin::metric(&edge, &requests("unauthenticated")).await, 1);
    assert_eq!(admin::metric(&edge, "mtls_edge_handshakes_total").await, 2);
    let (code, status) = admin::get(&edge, "/status").await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(code, 200);
    assert_eq!(status["ready"], true);
    assert_eq!(status["applications"]["total"], 1);
    assert_eq!(status["domains"][0]["name"], crate::support::DOMAIN);
    assert_eq!(admin::get(&edge, "/elsewhere").await.0, 404);
    edge.stop();
}

#[tokio::test]
async fn a_second_instance_on_the_same_port_fails() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()));
    let text = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let free = "127.0.0.1:0";
    for (key, address) in [("https", edge.https), ("admin", edge.admin)] {
        let line = |address: &str| match key {
            "https" => format!("https = [\"{address}\"]"),
            _ => format!("admin = \"{address}\""),
        };
        assert!(text.contains(&line(free)));
        let config = edge.folder.path().join("second.toml");
        std::fs::write(&config, text.replace(&line(free), &line(&address.to_string()))).unwrap();
        let mut second = program()
            .args(["run", "--workers", "2", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while second.try_wait().unwrap().is_none() {
            if start.elapsed() > PATIENCE {
                second.kill().unwrap();
            }
            tokio::task::yield_now().await;
        }
        let output = second.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("Address already in use"), "{errors}");
        assert!(start_problems(&output).contains(&format!("listen.{key}: {address}")), "{errors}");
        assert!(errors.contains("second.toml"), "{errors}");
    }
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
}

#[tokio::test]
async fn a_silent_peer_does_not_delay_the_exit() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).limits("drain_timeout = \"1h\""));
    let client = Client::with(&edge, &client);
    // One client that never reads again, in either version of HTTP, and one whose connection was closed by a refusal.
    let _silent = client.tls().await.unwrap();
    let mut http2 = client.clone().http2().tls().await.unwrap();
    http2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    http2.flush().await.unwrap();
    let mut refused = client.tls().await.unwrap();
    let request = b"POST /oauth/token HTTP/1.1\r\nhost: mtls.example.test\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 17\r\n\r\nclient_id=another";
    refused.write_all(request).await.unwrap();
    refused.flush().await.unwrap();
    edge.wait_for_log("no application is registered");
    edge.signal("TERM");
    let (code, log) = exit_code(edge).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("drain_timeout is over"), "{log}");
}
