//! Each client gets its own responses, under many concurrent requests of which some are cancelled.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::io::AsyncWriteExt;

use crate::support::{
    Ca, Client, EdgeBuilder, TlsUpstream,
    scripted::{Scripted, read_request},
    with_client,
};

const CLIENTS: usize = 8;
const REQUESTS: usize = 60;

/// Sends requests whose response is their own body.
fn request(name: &str) -> Request<Full<Bytes>> {
    Request::post("/any/thing").body(Full::from(name.to_owned())).unwrap()
}

fn echo(name: &str) -> String {
    // Some fit into one packet, some do not.
    name.repeat(1 + name.len() * name.bytes().map(usize::from).sum::<usize>() % 500)
}

/// Clients that send requests and sometimes cancel them, over both versions of HTTP.
async fn request_and_cancel(clients: [Client; 2]) {
    let asking = (0..CLIENTS).map(|number| {
        let client = clients[number % 2].clone();
        tokio::spawn(async move {
            let mut connection = client.connect().await;
            for round in 0..REQUESTS {
                let name = format!("[{number}-{round}]");
                let is_given_up = (number + round).is_multiple_of(3);
                let time =
                    Duration::from_micros(if is_given_up { 300 * (round as u64 % 20) } else { 20_000_000 });
                if let Ok(answer) = tokio::time::timeout(time, connection.try_send(request(&name))).await {
                    let answer = answer.unwrap();
                    assert_eq!(answer.status, 200, "{name}");
                    assert!(answer.body == echo(&name), "{name} got another answer: {:?}", answer.body);
                } else {
                    assert!(is_given_up, "{name} has no answer");
                    // Over HTTP/1.1, cancelling a request closes its connection.
                    if number % 2 == 0 || round % 2 == 0 {
                        connection = client.connect().await;
                    }
                }
            }
        })
    });
    for asked in futures_util::future::join_all(asking).await {
        asked.unwrap();
    }
}

#[tokio::test]
async fn no_client_gets_anothers_answer_over_http1_to_the_upstream() {
    let upstream = Scripted::start(|_, mut stream| async move {
        while let Some(request) = read_request(&mut stream).await {
            let answer = echo(request.split_once("\r\n\r\n").unwrap().1);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
            if stream.write_all(head.as_bytes()).await.is_err() {
                return;
            }
            // Sometimes slowly, so that the request is cancelled in the middle.
            for piece in answer.as_bytes().chunks(answer.len() / 2 + 1) {
                if answer.len().is_multiple_of(3) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                if stream.write_all(piece).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).quiet());
    request_and_cancel([Client::with(&edge, &client), Client::with(&edge, &client).http2()]).await;
}

#[tokio::test]
async fn no_client_gets_anothers_answer_over_http2_to_the_upstream() {
    let ca = Ca::new("Upstream CA");
    let upstream = TlsUpstream::answering(&ca.server(&["localhost"]), &["h2"], |seen| {
        Response::new(Full::from(echo(std::str::from_utf8(&seen.body).unwrap())))
    })
    .await;
    let edge = EdgeBuilder::new(upstream.url()).file("upstream-ca.pem", ca.pem());
    let (edge, client) = with_client(edge.upstream("ca = \"upstream-ca.pem\"").quiet());
    request_and_cancel([Client::with(&edge, &client), Client::with(&edge, &client).http2()]).await;
}
