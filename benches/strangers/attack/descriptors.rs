//! As many connections as there are descriptors, and whether an application can be removed and the admin address answers meanwhile.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{Body, PAUSE, Scene, Tally, get, http1, http2, outcome};
use crate::{
    harness::{
        client::Client,
        contender::{DOMAIN, PATH},
        upstream::SLOW,
    },
    strangers::{
        chains::unknown,
        target::{LEAVING, PUBLIC, REGISTRY, registry},
    },
};

/// The number of addresses of idle connections, so that the limit per address is not reached first.
const ADDRESSES: usize = 40;
/// Streams to a slow upstream, each of which uses one connection to it.
const STREAMS: usize = 100;
/// Idle connections per connection that sends such streams.
const IDLE_TO_SLOW: usize = 120;
/// The longest time for a reload or a response.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn attack(scene: &Scene, tally: &Tally) {
    let stranger = unknown("stranger");
    let idle = (0..scene.crowd).map(|number| {
        let client = scene.client(Some(&stranger), false).from(source(number));
        async move {
            loop {
                match client.connect().await {
                    Ok(mut stream) => {
                        tally.count("opened");
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                    }
                    Err(_) => tally.count("no handshake"),
                }
                sleep(PAUSE).await;
            }
        }
    });
    let slow = (0..scene.crowd.div_ceil(IDLE_TO_SLOW)).map(|number| {
        let client = scene.client(None, true).from(source(number));
        async move {
            loop {
                if let Ok(sender) = http2(&client).await {
                    join_all((0..STREAMS).map(|_| {
                        let mut sender = sender.clone();
                        async move {
                            let mut request = get(&format!("https://{DOMAIN}{PUBLIC}slow"));
                            request.headers_mut().insert(SLOW, HeaderValue::from_static("1"));
                            let _ = sender.send_request(request).await;
                        }
                    }))
                    .await;
                }
                sleep(PAUSE).await;
            }
        }
    });
    join(join_all(idle), join_all(slow)).await;
}

/// Removes an application during the attack, and notes how long it is served, and the responses of the admin address.
pub(super) async fn witness(scene: &Scene, tally: &Tally) {
    let leaving = scene.client(Some(&scene.leaving), false);
    let mut open = http1(&leaving).await.ok();
    tally.note(format!("before: {}", ask(&leaving, &mut open).await));
    // Long enough for all connections to open.
    sleep(Duration::from_secs(1)).await;
    let begin = Instant::now();
    fs::write(scene.folder.join(REGISTRY), registry()).unwrap();
    let mut last = ask(&leaving, &mut open).await;
    while last == "200" && begin.elapsed() < PATIENCE {
        sleep(Duration::from_millis(20)).await;
        last = ask(&leaving, &mut open).await;
    }
    let after = begin.elapsed().as_millis();
    tally.note(if last == "200" {
        format!("the removed application is served after {after} ms")
    } else {
        format!("the removed application gets \"{last}\" after {after} ms")
    });
    for path in ["/readyz", "/healthz"] {
        let answer = timeout(PATIENCE, admin(scene, path)).await;
        tally.note(format!("{path}: {}", answer.unwrap_or_else(|_| "no response".to_owned())));
    }
    tally.finish();
}

fn source(number: usize) -> IpAddr {
    Ipv4Addr::new(127, 0, 1, u8::try_from(number % ADDRESSES + 1).unwrap()).into()
}

/// The status that the application gets, on its open connection if it has one.
async fn ask(client: &Client, open: &mut Option<hyper::client::conn::http1::SendRequest<Body>>) -> String {
    let asked = async {
        if open.as_ref().is_none_or(hyper::client::conn::http1::SendRequest::is_closed) {
            *open = http1(client).await.ok();
        }
        let Some(sender) = open else { return "no connection".to_owned() };
        if sender.ready().await.is_err() {
            return "closed".to_owned();
        }
        let request = Request::post(PATH)
            .header("host", DOMAIN)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(format!("client_id={LEAVING}")).boxed());
        outcome(sender.send_request(request.unwrap()).await).await
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| "no response".to_owned())
}

async fn admin(scene: &Scene, path: &str) -> String {
    let asked = async {
        let mut stream = TcpStream::connect(scene.admin).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match asked.await {
        Ok(answer) => String::from_utf8_lossy(answer.get(9..12).unwrap_or(b"closed")).into_owned(),
        Err(error) => error.to_string(),
    }
}
