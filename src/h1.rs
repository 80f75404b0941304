//! The HTTP/1.1 client connection to an origin (RFC 9112): one request at a time, polled by the task of that request.
//!
//! Why this is not hyper's client: hyper's connection is a separate future that is reached through channels, and it is more lenient
//! about the end of a response than an intermediary should be.
//!
//! `benches/RESULTS.md` ("What own machinery earns") has the measurement against hyper's client polled in the request's own task with
//! batched writes: 10 % less CPU and 16 % fewer instructions for a request on a kept-alive connection.
//!
//! The parser is hyper's: httparse. Beyond hyper, this module refuses contradictory lengths, transfer codings other than `chunked`,
//! lines without CR, and control characters in chunk extensions. `fuzz/` and its twin in `cargo test` check that hyper's client reads
//! every response that this module accepts as the same response.

mod chunked;
mod connection;
mod field;
mod io;
mod keep_alive;
mod request;
mod response;
mod sending;
#[cfg(test)]
mod tests;

pub use connection::Connection;
pub use field::Field;
pub use io::Io;

/// Why a response, or the rest of it, cannot be read. `Display` is for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Sending or receiving failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The connection ended before the response did.
    #[error("the connection was closed before the response was complete")]
    Incomplete,
    /// The bytes are not an HTTP/1 response.
    #[error("not HTTP/1.1: {0}")]
    Parse(#[from] httparse::Error),
    /// The bytes are a TLS record.
    #[error("not HTTP/1.1: a TLS record")]
    TlsRecord,
    /// The head or the trailers exceed the limit, in bytes.
    #[error("the head or the trailers exceed {0} bytes")]
    TooLong(usize),
    /// The end of the message cannot be determined without doubt (RFC 9112 section 6.3).
    #[error("ambiguous message framing: {0}")]
    Framing(&'static str),
    /// The request's body did not have the length that its head stated.
    #[error("the request body does not match its Content-Length")]
    Length,
    /// The request's body failed; the body keeps the reason.
    #[error("the request body failed")]
    Body,
}
