//! Bodies that come in pieces.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use tokio::sync::mpsc;

/// A body of unknown length: chunked over HTTP/1.1, DATA frames over HTTP/2.
pub fn chunked(
    bytes: &[u8],
    size: usize,
) -> impl Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static {
    with_trailers(bytes, size, HeaderMap::new())
}

/// A body with trailers, if there are any.
pub fn with_trailers(
    bytes: &[u8],
    size: usize,
    trailers: HeaderMap,
) -> impl Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static {
    let mut frames: Vec<Result<_, Infallible>> =
        bytes.chunks(size).map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
    if !trailers.is_empty() {
        frames.push(Ok(Frame::trailers(trailers)));
    }
    StreamBody::new(stream::iter(frames))
}

/// A body whose pieces the test sends one by one; it ends when the sender is dropped.
pub fn gated()
-> (mpsc::UnboundedSender<Bytes>, impl Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static) {
    let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
    let pieces = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|bytes| (Ok(Frame::data(bytes)), receiver))
    });
    (sender, StreamBody::new(pieces))
}

/// `length` bytes after `start`, of every value there is.
pub fn filled(start: &str, length: usize) -> Vec<u8> {
    let mut bytes = start.as_bytes().to_vec();
    bytes.extend((0_u32..).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).take(length - start.len()));
    bytes
}
