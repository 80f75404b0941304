//! A new connection to an origin: TCP, TLS with ALPN, HTTP handshake.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::FutureExt;
use hyper::{client::conn::http2, rt::Executor};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::Sleep,
};

use super::{
    RequestBody, Target,
    http1::{Http1, Io},
    in_use::InUse,
};
use crate::{config::settings::Origin, net::Outbox, text};

/// Spawns onto the worker's own thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F: Future + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        // An `async` block around it would hold it twice.
        tokio::task::spawn_local(future.map(drop));
    }
}

/// Armed anew only when it goes off, or if it would go off too late.
pub(super) type Timer = Pin<Box<Sleep>>;

/// One that goes off after so long.
pub(super) fn timer(after: Duration) -> Timer {
    Box::pin(tokio::time::sleep(after))
}

/// A connection of HTTP/1.1, and the timer for the responses that are waited for, one after the other.
pub(super) struct Kept {
    pub(super) http1: Box<Http1>,
    pub(super) timer: Timer,
    /// Whether it has carried a request before.
    pub(super) is_used: bool,
    /// While it carries a request.
    pub(super) in_use: Option<InUse>,
}

/// A connection that can carry a request.
pub(super) enum Sender {
    /// One request at a time.
    Http1(Kept),
    /// Many at once; cloned.
    Http2(http2::SendRequest<RequestBody>),
}

/// Connects within `connect_timeout`, or not at all; the place is given back when the connection's descriptor is closed. The error
/// is a sentence for the log.
pub(super) async fn connect(
    target: &Target,
    origin: &Origin,
    outbox: &Outbox,
    place: OwnedSemaphorePermit,
) -> Option<Result<Sender, String>> {
    tokio::time::timeout(target.connect_timeout, connect_unbounded(target, origin, outbox, place)).await.ok()
}

async fn connect_unbounded(
    target: &Target,
    origin: &Origin,
    outbox: &Outbox,
    place: OwnedSemaphorePermit,
) -> Result<Sender, String> {
    let tcp =
        TcpStream::connect((origin.host.as_str(), origin.port)).await.map_err(|error| error.to_string())?;
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    let tcp = outbox.stream(tcp);
    tcp.hold(place);
    tcp.gather();
    let Some(tls) = target.tls.as_ref().filter(|_| origin.tls) else {
        return Ok(http1(tcp, target));
    };
    let name = ServerName::try_from(origin.host.clone()).map_err(|error| error.to_string())?;
    let stream = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config))
        .connect(name, tcp)
        .await
        .map_err(|error| error.to_string())?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        http2(stream).await
    } else {
        Ok(http1(stream, target))
    }
}

fn http1(io: impl Io + 'static, target: &Target) -> Sender {
    let http1 = Box::new(Http1::new(Box::new(io)));
    Sender::Http1(Kept { http1, timer: timer(target.response_timeout), is_used: false, in_use: None })
}

async fn http2<IO>(io: IO) -> Result<Sender, String>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .handshake(TokioIo::new(io))
        .await
        .map_err(|error| error.to_string())?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = text::shown(&error), "upstream connection ended");
        }
    });
    Ok(Sender::Http2(sender))
}
