//! Opens a connection to an origin: TCP, TLS with ALPN, HTTP/2 handshake.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{
    Address, Target,
    dial::{at, dial},
    fault::of_handshake,
    http2::Connection,
    pooled::{Http1, PooledHttp1, timer},
    resolved::{Listed, Resolved, unanswered},
    unix,
};
use crate::{h1::Io, net::WriteBatcher};

/// TCP probes a connection that received nothing for this time: a connection that the origin, or a firewall before it, has dropped is
/// detected before a request is sent on it.
const PROBE_AFTER: Duration = Duration::from_secs(30);
/// The time between two probes.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// How many unanswered probes close the connection.
const PROBES: u32 = 3;
/// How long sent data may be unacknowledged before the connection is closed (TCP_USER_TIMEOUT, RFC 5482). Linux' default is some 15
/// minutes.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// An opened connection, by the protocol that ALPN selected.
pub(super) enum Opened {
    Http1(Box<PooledHttp1>),
    Http2(Connection),
}

/// Why there is no connection: a sentence for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// Nothing accepts connections there.
    #[error("{0}")]
    Unreachable(String),
    /// The origin accepts connections, but the handshake failed.
    #[error("{0}")]
    Unusable(String),
}

impl From<String> for ConnectError {
    fn from(why: String) -> Self {
        Self::Unreachable(why)
    }
}

/// Connects within `connect_timeout`; returns `None` on timeout. The permit is released when the connection's descriptor is closed.
///
/// # Errors
///
/// The reason, for the log.
pub(super) async fn connect(
    target: &Target,
    address: &Address,
    resolved: &Resolved,
    batcher: &WriteBatcher,
    permit: OwnedSemaphorePermit,
    permits: &Arc<Semaphore>,
) -> Option<Result<Opened, ConnectError>> {
    let connected = connect_unbounded(target, address, resolved, batcher, permit, permits);
    tokio::time::timeout(target.spec.limits.connect_timeout, connected).await.ok()
}

/// Why there is no connection to an address after this time, for the log.
pub(super) fn timed_out(address: &Address, resolved: &Resolved, limit: Duration) -> String {
    match address.network() {
        Some(origin) if resolved.is_awaited() => unanswered(&origin.host, limit),
        _ => match resolved.current() {
            Some(addresses) => format!("no connection within {limit:?} to {}", Listed(&addresses)),
            None => format!("no connection within {limit:?}"),
        },
    }
}

async fn connect_unbounded(
    target: &Target,
    address: &Address,
    resolved: &Resolved,
    batcher: &WriteBatcher,
    permit: OwnedSemaphorePermit,
    permits: &Arc<Semaphore>,
) -> Result<Opened, ConnectError> {
    let origin = match address {
        Address::Network(origin) => origin,
        Address::Unix(path) => return Ok(http1(unix::connect(path, permit).await?, target, None)),
    };
    let (tcp, permit) = dial(origin, resolved, permit, permits).await?;
    let peer = tcp.peer_addr().ok();
    let failed = |error: &dyn fmt::Display| at(origin, peer, error);
    set_options(&tcp).map_err(|error| failed(&error))?;
    let tcp = batcher.stream(tcp);
    tcp.hold(permit);
    tcp.enable_batching();
    let Some(tls) = target.spec.tls.as_ref().filter(|_| origin.tls) else {
        return Ok(http1(tcp, target, peer));
    };
    let name = match &target.spec.server_name {
        Some(name) => name.clone(),
        None => ServerName::try_from(origin.host.clone()).map_err(|error| error.to_string())?,
    };
    let stream = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config))
        .connect(name, tcp)
        .await
        .map_err(|error| failed(&of_handshake(&error, tls, target)))
        .map_err(ConnectError::Unusable)?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let opened = Connection::handshake(stream, peer, target).await.map(Opened::Http2);
        opened.map_err(|error| ConnectError::Unusable(failed(&error)))
    } else {
        Ok(http1(stream, target, peer))
    }
}

fn http1(io: impl Io + 'static, target: &Target, peer: Option<SocketAddr>) -> Opened {
    Opened::Http1(Box::new(PooledHttp1 {
        http1: Http1::new(Box::new(io)),
        timer: timer(target.spec.limits.response_timeout),
        is_used: false,
        in_flight: None,
        peer,
    }))
}

/// Sets the socket options of a connection to an origin.
fn set_options(tcp: &TcpStream) -> std::io::Result<()> {
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
    async fn tcp_probes_connections_to_origins() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        set_options(&tcp).unwrap();
        let socket = SockRef::from(&tcp);
        assert!(socket.keepalive().unwrap() && tcp.nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), PROBE_AFTER);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), PROBE_EVERY);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }
}
