//! An upstream that costs next to nothing.

use testkit::{background, scripted::Scripted, wire::answer_each};

/// The body of every request that it gets: the end of a request.
pub const BODY: &str = "client_id=payments";

/// Answers every request at once with `{}`.
pub fn upstream() -> Scripted {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    background("upstream", || {
        Scripted::start(|_, stream| answer_each(stream, BODY.as_bytes(), ANSWER, |_| {}))
    })
}
