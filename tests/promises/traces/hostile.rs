//! A collector that is slow, dead or hostile costs memory within bounds, and never a request.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::tracing_to;
use crate::support::{
    Client, EdgeBuilder, Upstream, admin,
    scripted::{Scripted, read_request},
};

/// What the collector does with each export.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Nothing.
    Silence,
    /// These bytes, and the end of the connection.
    Bytes(&'static [u8]),
    /// A body without an end.
    Endless,
}

async fn collector(answer: Answer) -> Scripted {
    Scripted::start(move |_, mut stream| async move {
        while read_request(&mut stream).await.is_some() {
            match answer {
                Answer::Silence => drop(stream.read(&mut [0]).await),
                Answer::Bytes(bytes) => {
                    let _ = stream.write_all(bytes).await;
                    // A close with bytes of the request unread would be a reset, by which the answer could be lost.
                    let _ = stream.shutdown().await;
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                    return;
                }
                Answer::Endless => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await;
                    let part = vec![b'x'; 65_536];
                    while stream.write_all(&part).await.is_ok() {}
                    return;
                }
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_collector_delays_a_request_or_the_end() {
    let redirect =
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    for (answer, logged) in [
        (Answer::Silence, "within 200ms"),
        (Answer::Bytes(b""), "closed before the response"),
        (Answer::Bytes(b"\x16\x03\x01 not HTTP"), "traces cannot be exported"),
        (Answer::Bytes(redirect), "307 Temporary Redirect"),
        (Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"), "traces cannot be exported"),
        (Answer::Endless, "traces cannot be exported"),
    ] {
        let (upstream, collector) = (Upstream::start().await, collector(answer).await);
        let settings = "sample = 1\ntimeout = \"200ms\"";
        let (edge, credentials) = tracing_to(EdgeBuilder::new(upstream.url()), &collector.url(), settings);
        let mut connection = Client::with(&edge, &credentials).connect().await;
        assert_eq!(connection.token("billing").await.status, 200);
        edge.wait_for_log(logged);
        let slowest = async {
            let mut slowest = std::time::Duration::ZERO;
            for _ in 0..20 {
                let begun = std::time::Instant::now();
                assert_eq!(connection.token("billing").await.status, 200);
                slowest = slowest.max(begun.elapsed());
            }
            slowest
        };
        assert!(slowest.await.as_secs() < 2, "{answer:?}");
        assert_eq!(admin::metric(&edge, "mtls_edge_spans_exported_total").await, 0, "{answer:?}");
        let begun = std::time::Instant::now();
        edge.stop();
        assert!(begun.elapsed().as_secs() < 5, "{answer:?}");
    }
}
