//! HTTP/1.1 to an origin (RFC 9112): one connection, one request at a time, driven by the task of the request itself.
//!
//! Why not hyper's client: it wants a task of its own for each connection, with a channel there and one back, and that is a
//! seventh of the instructions of a forwarded request (`benches/RESULTS.md`). The parser is the one that hyper has, httparse. It is stricter: a
//! response that says its length in two ways, or whose coding nobody asked for, is no response.

mod chunked;
mod keep_alive;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod upload;
mod wire;

use std::io;

pub(super) use wire::{Http1, Io};

/// Why a response can't be had, or not to its end. `Display` is for the log.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Sending or receiving failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The connection ended before the response did.
    #[error("the connection was closed before the response was whole")]
    Incomplete,
    /// What came is not a response of HTTP/1.
    #[error("it is not HTTP/1.1: {0}")]
    Parse(#[from] httparse::Error),
    /// A head or trailers of more than so many bytes.
    #[error("its head or its trailers are longer than {0} bytes")]
    TooLong(usize),
    /// RFC 9112 section 6.3: where it ends is not certain.
    #[error("its end is uncertain: {0}")]
    Framing(&'static str),
    /// The request's body did not keep to the length that was announced.
    #[error("the request's body is not as long as was announced")]
    Length,
    /// The request's body failed, for the reason that it has noted.
    #[error("the request's body failed")]
    Body,
}
