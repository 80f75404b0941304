//! A new connection to an origin: TCP, TLS with ALPN, HTTP handshake.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::FutureExt;
use hyper::rt::Executor;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{
    Target,
    dial::dial,
    http2::Connection,
    pooled::{Http1, Kept, timer},
};
use crate::{forward::Origin, h1::Io, net::WriteBatcher};

/// A connection on which nothing came for so long is probed by TCP: an origin, or a firewall before it, that has forgotten it is found
/// before a request goes there.
const PROBE_AFTER: Duration = Duration::from_secs(30);
/// Time between two probes.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// So many probes without an answer end it.
const PROBES: u32 = 3;
/// What was sent and is not acknowledged after so long ends it (TCP_USER_TIMEOUT, RFC 5482). The system's own limit is some 15 minutes.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Spawns onto the worker's own thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F: Future + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        // An `async` block around it would hold it twice.
        tokio::task::spawn_local(future.map(drop));
    }
}

/// A connection that was opened.
pub(super) enum Opened {
    Http1(Kept),
    Http2(Connection),
}

/// Connects within `connect_timeout`, or not at all; the place is given back when the connection's descriptor is closed. The error
/// is a sentence for the log.
pub(super) async fn connect(
    target: &Target,
    origin: &Origin,
    batcher: &WriteBatcher,
    place: OwnedSemaphorePermit,
    places: &Arc<Semaphore>,
) -> Option<Result<Opened, String>> {
    let connected = connect_unbounded(target, origin, batcher, place, places);
    tokio::time::timeout(target.limits.connect_timeout, connected).await.ok()
}

async fn connect_unbounded(
    target: &Target,
    origin: &Origin,
    batcher: &WriteBatcher,
    place: OwnedSemaphorePermit,
    places: &Arc<Semaphore>,
) -> Result<Opened, String> {
    let (tcp, place) = dial(&origin.host, origin.port, place, places).await?;
    prepare(&tcp).map_err(|error| error.to_string())?;
    let tcp = batcher.stream(tcp);
    tcp.hold(place);
    tcp.enable_batching();
    let Some(tls) = target.tls.as_ref().filter(|_| origin.tls) else {
        return Ok(http1(tcp, target));
    };
    let name = match &target.server_name {
        Some(name) => name.clone(),
        None => ServerName::try_from(origin.host.clone()).map_err(|error| error.to_string())?,
    };
    let stream = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config))
        .connect(name, tcp)
        .await
        .map_err(|error| error.to_string())?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        Connection::handshake(stream).await.map(Opened::Http2)
    } else {
        Ok(http1(stream, target))
    }
}

fn http1(io: impl Io + 'static, target: &Target) -> Opened {
    let http1 = Box::new(Http1::new(Box::new(io)));
    Opened::Http1(Kept { http1, timer: timer(target.limits.response_timeout), is_used: false, in_use: None })
}

/// Sets what each connection to an origin has.
fn prepare(tcp: &TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    let keepalive =
        TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn each_connection_to_an_origin_is_probed_by_tcp() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&tcp).unwrap();
        let socket = SockRef::from(&tcp);
        assert!(socket.keepalive().unwrap() && tcp.nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), PROBE_AFTER);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), PROBE_EVERY);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }
}
