//! Streams over real sockets: every byte arrives once and in order, even if a peer is slow or disconnects.

use std::{
    io,
    net::TcpStream as Blocking,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
};

use super::{Stream, WriteBatcher};

/// Runs a test on a runtime like a worker's, with a batcher that flushes at the end of each turn.
fn with_batcher(test: impl AsyncFnOnce(WriteBatcher)) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    let batcher = WriteBatcher::default();
    runtime.block_on(async {
        tokio::task::spawn_local(batcher.clone().run());
        tokio::time::timeout(Duration::from_secs(60), test(batcher)).await.unwrap();
    });
}

/// A batching stream with small kernel buffers, and its peer.
async fn connected(batcher: &WriteBatcher) -> (Stream, Blocking) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    SockRef::from(&near).set_send_buffer_size(4096).unwrap();
    let far = listener.accept().await.unwrap().0.into_std().unwrap();
    let stream = batcher.stream(near);
    stream.enable_batching();
    (stream, far)
}

/// Whether there are bytes to read; over loopback, sent bytes are readable at once.
fn has_arrived(far: &Blocking) -> bool {
    match far.peek(&mut [0]) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            false
        }
    }
}

fn nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Writes until the stream accepts no more, with the end of a turn after each write; returns the accepted bytes.
async fn fill(stream: &mut Stream, piece: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    while let Poll::Ready(taken) = Pin::new(&mut *stream).poll_write(&mut nobody(), piece) {
        written.extend_from_slice(&piece[..taken.unwrap()]);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    written
}

#[test]
fn small_writes_are_batched_large_ones_are_not() {
    with_batcher(async |batcher| {
        let (mut stream, far) = connected(&batcher).await;
        stream.write_all(b"small ").await.unwrap();
        stream.flush().await.unwrap();
        assert!(!has_arrived(&far));
        tokio::task::yield_now().await;
        assert!(has_arrived(&far));

        stream.write_all(b"again ").await.unwrap();
        let large = [b'x'; 5000];
        let mut far = TcpStream::from_std(far).unwrap();
        let mut bytes = vec![0; 5012];
        let (written, read) = tokio::join!(stream.write_all(&large), far.read_exact(&mut bytes));
        written.unwrap();
        read.unwrap();
        assert!(bytes == [b"small again ", &large[..]].concat());
    });
}

#[test]
fn without_batching_a_write_is_sent_at_once() {
    with_batcher(async |batcher| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let far = listener.accept().await.unwrap().0.into_std().unwrap();
        batcher.stream(near).write_all(b"hello").await.unwrap();
        assert!(has_arrived(&far));
    });
}

#[test]
fn a_full_batch_is_sent_before_the_end_of_the_turn() {
    with_batcher(async |batcher| {
        let mut streams = Vec::new();
        for _ in 0..40 {
            streams.push(connected(&batcher).await);
        }
        for (stream, _) in &mut streams {
            assert!(pin!(stream.write_all(&[b'x'; 4000])).poll(&mut nobody()).is_ready());
        }
        assert!(has_arrived(&streams[0].1) && !has_arrived(&streams[39].1));
    });
}

#[test]
fn unread_output_is_bounded() {
    with_batcher(async |batcher| {
        let (mut stream, far) = connected(&batcher).await;
        let written = fill(&mut stream, &[b'x'; 1000]).await;
        assert!(written.len() < 8_000_000, "unbounded: {}", written.len());
        // Neither reports completion while bytes are unsent.
        assert!(Pin::new(&mut stream).poll_flush(&mut nobody()).is_pending());
        assert!(Pin::new(&mut stream).poll_shutdown(&mut nobody()).is_pending());
        // Both are woken when the peer reads; after that more can be written.
        let mut far = TcpStream::from_std(far).unwrap();
        let rest = async {
            let mut bytes = vec![0; written.len()];
            far.read_exact(&mut bytes).await.unwrap();
            bytes
        };
        let (flushed, bytes) = tokio::join!(stream.flush(), rest);
        flushed.unwrap();
        assert!(bytes == written);
        stream.write_all(b"more").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut end = Vec::new();
        far.read_to_end(&mut end).await.unwrap();
        assert_eq!(end, b"more");
    });
}

#[test]
fn bytes_written_before_a_drop_or_shutdown_arrive() {
    with_batcher(async |batcher| {
        for is_shut_down in [false, true] {
            let (mut stream, far) = connected(&batcher).await;
            stream.write_all(b"the last").await.unwrap();
            if is_shut_down {
                stream.shutdown().await.unwrap();
            }
            drop(stream);
            let mut read = String::new();
            TcpStream::from_std(far).unwrap().read_to_string(&mut read).await.unwrap();
            assert_eq!(read, "the last");
        }
    });
}

#[test]
fn a_dropped_stream_closes_if_its_peer_reads_nothing() {
    with_batcher(async |batcher| {
        let (mut stream, far) = connected(&batcher).await;
        let written = fill(&mut stream, &[b'x'; 1000]).await;
        drop(stream);
        tokio::task::yield_now().await;
        let mut read = Vec::new();
        TcpStream::from_std(far).unwrap().read_to_end(&mut read).await.unwrap();
        assert!(!read.is_empty() && read.len() < written.len(), "{} of {}", read.len(), written.len());
    });
}

#[test]
fn drop_flushes_batched_bytes_without_blocking() {
    with_batcher(async |batcher| {
        let (mut stream, far) = connected(&batcher).await;
        for _ in 0..15 {
            stream.write_all(&[b'x'; 4000]).await.unwrap();
        }
        drop(stream);
        tokio::task::yield_now().await;
        let mut read = Vec::new();
        TcpStream::from_std(far).unwrap().read_to_end(&mut read).await.unwrap();
        assert!(!read.is_empty() && read.len() < 60_000, "{}", read.len());
    });
}

#[test]
fn a_failed_write_is_reported_by_the_next() {
    with_batcher(async |batcher| {
        let (mut stream, far) = connected(&batcher).await;
        SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        // The kernel accepts it, or reports the reset at the end of the turn.
        let _ = stream.write_all(b"one").await;
        tokio::task::yield_now().await;
        let error = if let Err(error) = stream.write_all(b"two").await {
            error
        } else {
            tokio::task::yield_now().await;
            stream.flush().await.unwrap_err()
        };
        assert!(
            matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset),
            "{error:?}"
        );
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Writes of any size to several streams, flushed or not, read slowly: each peer receives its own bytes in order.
    #[test]
    fn bytes_are_neither_lost_doubled_nor_reordered(
        writes in prop::collection::vec((0..3_usize, 1..9000_usize, any::<bool>()), 1..60),
        at_once in 1..20_000_usize,
    ) {
        with_batcher(async |batcher| {
            let (mut streams, mut reads) = (Vec::new(), Vec::new());
            for _ in 0..3 {
                let (stream, far) = connected(&batcher).await;
                streams.push(stream);
                reads.push(tokio::task::spawn_local(async move {
                    let mut far = TcpStream::from_std(far).unwrap();
                    let (mut all, mut bytes) = (Vec::new(), vec![0; at_once]);
                    loop {
                        let read = far.read(&mut bytes).await.unwrap();
                        if read == 0 {
                            return all;
                        }
                        all.extend_from_slice(&bytes[..read]);
                        tokio::task::yield_now().await;
                    }
                }));
            }
            let mut expected = vec![Vec::new(); 3];
            for (number, (to, length, flushes)) in (0_u8..).zip(writes) {
                let bytes = vec![number; length];
                streams[to].write_all(&bytes).await.unwrap();
                expected[to].extend_from_slice(&bytes);
                if flushes {
                    streams[to].flush().await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
            for stream in &mut streams {
                stream.shutdown().await.unwrap();
            }
            for (read, expected) in reads.into_iter().zip(expected) {
                assert!(read.await.unwrap() == expected);
            }
        });
    }
}
