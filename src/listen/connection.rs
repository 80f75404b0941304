//! One connection from its accept to its end.
//!
//! It goes through phases, each of which takes memory of its own only while it lasts: the handshake, requests, and rest.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use bytes::Bytes;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use super::{
    activity::LINGER,
    door::{Door, counted},
    handshake::{client_address, handshake},
    linger::Lingering,
    open::Entry,
    proxy_protocol,
    requests::{Ended, Requests},
    shared::Shared,
    turns::{Party, Turn},
};
use crate::{
    net::{Outbox, Stream},
    request::WorkerParts,
    text, tls,
};

pub(super) type TlsStream = tokio_rustls::server::TlsStream<tls::Corked<Stream>>;

/// Serves a connection that was accepted on this port. Failures are the peer's and are logged at `info` or `debug`.
pub(super) async fn serve(
    (stream, tcp_peer): (TcpStream, SocketAddr),
    local_port: u16,
    door: Rc<Door>,
    shared: Arc<Shared>,
    parts: WorkerParts,
    outbox: Outbox,
    entry: Entry,
) {
    let shaking = Box::pin(shake((stream, tcp_peer), local_port, &door, shared, parts, outbox, &entry));
    let Some((tls, requests)) = shaking.await else { return };
    let ended = if tls.is_http2() {
        Box::pin(requests.http2(tls, &entry)).await
    } else {
        http1(&requests, tls, &entry).await
    };
    if let Err(reason) = ended {
        tracing::debug!(client = %tcp_peer.ip(), reason = text::shown(&reason), "connection ended");
    }
}

/// The handshake; nothing if it failed. Behind a balancer with the PROXY protocol, the client's address bounds it only now.
async fn shake(
    (stream, tcp_peer): (TcpStream, SocketAddr),
    local_port: u16,
    door: &Door,
    shared: Arc<Shared>,
    parts: WorkerParts,
    outbox: Outbox,
    entry: &Entry,
) -> Option<(Box<Lingering>, Requests)> {
    let site = shared.site.load_full();
    let timeout = site.limits.handshake_timeout;
    let shaken = tokio::time::timeout(timeout, async {
        let mut stream = stream;
        let address = client_address(&mut stream, tcp_peer, local_port, &site).await?;
        if site.proxy_protocol
            && let Some(network) = counted(address.ip, &site)
        {
            let Some(place) = door.place_of(network).await else {
                return Err(std::io::Error::other("connections_per_address is reached").into());
            };
            entry.is_of(network, place);
        }
        let whose =
            counted(address.ip, &site).map_or_else(|| Party::Connection(entry.number()), Party::Network);
        let turn = Turn::new(Rc::clone(&door.turns), whose);
        let shaken = handshake(stream, address, &site, &parts.identities, &outbox, turn).await;
        shaken.map(|shaken| (shaken, whose))
    });
    let failure = match shaken.await {
        Ok(Ok(((tls, connection), whose))) => {
            parts.metrics.handshakes.increment();
            entry.serve(&connection);
            let tls = Box::new(Lingering::new(tls, Rc::clone(&connection)));
            let turns = (Rc::clone(&door.turns), whose);
            return Some((tls, Requests::new(connection, &site, shared, parts, turns)));
        }
        Ok(Err(failed)) => failed,
        Err(_) => std::io::Error::other(format!("the handshake took longer than {timeout:?}")).into(),
    };
    if is_probe(&failure) {
        parts.metrics.probes.increment();
        tracing::debug!(client = %tcp_peer.ip(), "connection closed by its peer before it sent anything");
        return None;
    }
    parts.metrics.handshakes_failed.increment();
    tracing::info!(client = %tcp_peer.ip(), reason = text::shown(&failure.error), "handshake failed");
    if let Some(stream) = failure.io {
        tls::take_leave(stream).await;
    }
    None
}

/// Whether nothing was sent, as the probes of load balancers do that look whether a port is open.
fn is_probe(failure: &tls::Failed<Stream>) -> bool {
    match &failure.error {
        tls::AcceptError::Nothing => true,
        tls::AcceptError::Handshake(error) => proxy_protocol::sent_nothing(error),
        _ => false,
    }
}

/// Requests and rest in turn.
async fn http1(requests: &Requests, mut tls: Box<Lingering>, entry: &Entry) -> Result<(), String> {
    let (mut read, mut since) = (Bytes::new(), Instant::now());
    loop {
        let Ended::Resting { tls: resting, read: rest, since: idle } =
            Box::pin(requests.http1(tls, read, since, entry)).await?
        else {
            return Ok(());
        };
        (tls, read, since) = (resting, rest, idle);
        entry.rests(since);
        tracing::debug!("connection rests");
        if read.is_empty() && !wakes(requests, &mut tls, since).await {
            // Gone or not, the peer has been told.
            let _ = tokio::time::timeout(LINGER, tls.shutdown()).await;
            return Ok(());
        }
    }
}

/// Waits until the peer sends something; not beyond `idle_timeout`, or a drain.
async fn wakes(requests: &Requests, tls: &mut Lingering, since: Instant) -> bool {
    tokio::select! {
        _ = tls.readable() => true,
        () = tokio::time::sleep_until(since + requests.limits.idle_timeout) => {
            requests.idled();
            false
        }
        () = requests.is_to_close() => false,
    }
}
