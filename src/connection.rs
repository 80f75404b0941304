//! One accepted connection, from the TCP accept to its end: handshake, then requests, with parked times between them.
//!
//! Each of these takes memory only while it lasts.

mod activity;
mod chunks;
mod handshake;
mod lent;
pub mod proxy_protocol;
mod serve;
mod stream;
mod turns;

pub(crate) use activity::Activity;
pub(crate) use turns::Turns;

use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use bytes::Bytes;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use self::{
    activity::LINGER,
    handshake::{client_address, handshake},
    serve::{Ended, Requests},
    stream::Lingering,
    turns::{Party, Turn},
};
use crate::{
    net::{Network, Outbox, Stream},
    request::{Connection, WorkerParts},
    site::{Site, SiteHandle},
    text, tls,
};

/// What all connections of one worker use.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The snapshot in force.
    pub(crate) site: SiteHandle,
    /// What their requests use.
    pub(crate) parts: WorkerParts,
    /// Batches what they send.
    pub(crate) outbox: Outbox,
    /// Schedules the work of clients that have not authenticated.
    pub(crate) turns: Rc<Turns>,
}

/// A connection's place among the open ones. Dropped when the connection has ended.
pub(crate) trait Slot {
    /// Unique among the connections of a worker.
    fn number(&self) -> u64;

    /// Counts the connection for this client network, which a PROXY header has named. False if the network has reached its limit.
    fn assign(&self, network: Network) -> impl Future<Output = bool>;

    /// The handshake is done.
    fn established(&self, connection: &Rc<Connection>);

    /// Requests are noted here from now on.
    fn serving(&self, activity: &Rc<Activity>);

    /// There has been no request since then, and nothing that would note one.
    fn parked(&self, since: Instant);
}

/// The network for which a connection from this address counts; none for a trusted proxy's.
pub(crate) fn counted(ip: IpAddr, site: &Site) -> Option<Network> {
    let ip = ip.to_canonical();
    let is_proxy = site.trusted_proxies.iter().any(|network| network.contains(&ip));
    (!is_proxy).then(|| Network::of(ip))
}

/// Serves a connection that was accepted on this port. Failures are the peer's and are logged at `info` or `debug`.
pub(crate) async fn serve(
    (stream, tcp_peer): (TcpStream, SocketAddr),
    local_port: u16,
    context: Context,
    slot: impl Slot,
) {
    let established = Box::pin(establish((stream, tcp_peer), local_port, context, &slot));
    let Some((tls, requests)) = established.await else { return };
    let ended = if tls.is_http2() {
        Box::pin(requests.http2(tls, &slot)).await
    } else {
        http1(&requests, tls, &slot).await
    };
    if let Err(reason) = ended {
        tracing::debug!(client = %tcp_peer.ip(), reason = text::shown(&reason), "connection ended");
    }
}

/// Performs the handshake; nothing if it failed. Behind a balancer with the PROXY protocol, the client network's limit applies
/// only now.
async fn establish(
    (stream, tcp_peer): (TcpStream, SocketAddr),
    local_port: u16,
    context: Context,
    slot: &impl Slot,
) -> Option<(Box<Lingering>, Requests)> {
    let site = context.site.load_full();
    let timeout = site.limits.handshake_timeout;
    let shaken = tokio::time::timeout(timeout, async {
        let mut stream = stream;
        let address = client_address(&mut stream, tcp_peer, local_port, &site).await?;
        let network = counted(address.ip, &site);
        if site.proxy_protocol
            && let Some(network) = network
            && !slot.assign(network).await
        {
            return Err(std::io::Error::other("connections_per_address is reached").into());
        }
        let party = network.map_or_else(|| Party::Connection(slot.number()), Party::Network);
        let turn = Turn::new(Rc::clone(&context.turns), party);
        let done = handshake(stream, address, &site, &context.parts.identities, &context.outbox, turn).await;
        done.map(|done| (done, party))
    });
    let metrics = context.parts.metrics.clone();
    let failure = match shaken.await {
        Ok(Ok(((tls, connection), party))) => {
            metrics.handshakes.increment();
            slot.established(&connection);
            let tls = Box::new(Lingering::new(tls, Rc::clone(&connection)));
            return Some((tls, Requests::new(connection, &site, context, party)));
        }
        Ok(Err(failed)) => failed,
        Err(_) => std::io::Error::other(format!("the handshake took longer than {timeout:?}")).into(),
    };
    if is_probe(&failure) {
        metrics.probes.increment();
        tracing::debug!(client = %tcp_peer.ip(), "connection closed by its peer before it sent anything");
        return None;
    }
    metrics.handshakes_failed.increment();
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
async fn http1(requests: &Requests, mut tls: Box<Lingering>, slot: &impl Slot) -> Result<(), String> {
    let (mut read, mut since) = (Bytes::new(), Instant::now());
    loop {
        let Ended::Resting { tls: resting, read: rest, since: idle } =
            Box::pin(requests.http1(tls, read, since, slot)).await?
        else {
            return Ok(());
        };
        (tls, read, since) = (resting, rest, idle);
        slot.parked(since);
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
