//! One accepted connection, from the TCP accept to its end: handshake, then requests. Between requests it may be parked.
//!
//! The state of each of these is in memory only while it is needed.

mod chunks;
mod failure;
mod frames;
mod handshake;
mod lent;
mod life;
mod phase;
pub mod proxy_protocol;
mod serve;
mod serving;
mod stream;
mod streams;
mod tracked;
mod turns;
mod watched;

pub(crate) use life::Life;
pub(crate) use turns::Turns;

use std::{
    cell::Cell,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::LazyLock,
    time::Duration,
};

use bytes::Bytes;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout_at};

use self::{
    handshake::{Handshake, client_address, handshake},
    phase::{Bodies, Overdue, Protocol},
    serve::{Outcome, Server},
    stream::ClientStream,
    turns::{Party, Turn},
};
use crate::{
    net::{Network, Stream, WriteBatcher},
    observe::{
        log::{LineLimit, LineLimits},
        metrics::{CloseReason, HandshakeFailure, Recorder},
    },
    request::{Connection, WorkerParts, counted_network},
    site::SiteHandle,
    text, tls,
};

/// Limits the log lines of failed handshakes, which cost a stranger nothing: one per second, and 100 at once after a pause.
static FAILED: LazyLock<LineLimits> = LazyLock::new(|| LineLimits::new(Duration::from_secs(1), 100));
/// Limits the log lines about addresses that may not connect.
static DENIED: LineLimit = LineLimit::per_second();
/// Limits the log lines of validations: anyone can ask for them while one is pending.
static VALIDATIONS: LineLimit = LineLimit::new(Duration::from_millis(100), 100);

/// What all connections of one worker use.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The snapshot in force.
    pub(crate) site: SiteHandle,
    /// What their requests use.
    pub(crate) parts: Rc<WorkerParts>,
    /// Batches what they send.
    pub(crate) batcher: WriteBatcher,
    /// Schedules the work of clients that have not authenticated.
    pub(crate) turns: Rc<Turns>,
}

/// A connection's entry among the open ones. Dropped when the connection has ended.
pub(crate) trait Slot {
    /// Unique among the connections of a worker.
    fn number(&self) -> u64;

    /// Counts the connection for this client network, which a PROXY header has named. False if the network has reached its limit.
    fn assign(&self, network: Network) -> impl Future<Output = bool>;

    /// The connection's life, which began at its accept.
    fn life(&self) -> &Rc<Life>;

    /// Notes that the handshake is complete.
    fn established(&self, connection: &Rc<Connection>);
}

/// Serves a connection that was accepted on this port. Failures are the peer's and are logged at `info` or `debug`.
pub(crate) async fn serve(
    (stream, tcp_peer): (TcpStream, SocketAddr),
    local_port: u16,
    context: Context,
    slot: impl Slot,
) {
    let established = Box::pin(establish((stream, tcp_peer), local_port, context, &slot));
    let Some((stream, server)) = established.await else { return };
    let ended = match stream.protocol() {
        Protocol::Http2 => Box::pin(server.http2(stream)).await,
        Protocol::Http1 => http1(&server, stream).await,
    };
    if let Err(reason) = ended {
        tracing::debug!(client_ip = %server.client_ip(), reason = text::shown(&reason), "connection ended");
    }
}

/// Performs the handshake; returns `None` if it failed. Behind a load balancer with the PROXY protocol, the limit of the client's network
/// applies from here on.
async fn establish(
    (stream, tcp_peer): (TcpStream, SocketAddr),
    local_port: u16,
    context: Context,
    slot: &impl Slot,
) -> Option<(Box<ClientStream>, Server)> {
    let site = context.site.load_full();
    let timeout = site.limits.handshake_timeout;
    let until = slot.life().deadline(Bodies::Complete).at;
    // A balancer's until its PROXY header is read.
    let client_ip = Cell::new(tcp_peer.ip().to_canonical());
    let handshake = timeout_at(until, async {
        let mut stream = stream;
        let address = client_address(&mut stream, tcp_peer, local_port, &site).await;
        let address = address.map_err(|error| Some((HandshakeFailure::ProxyHeader, error.into())))?;
        client_ip.set(address.ip);
        if !site.clients.permit(address.ip) {
            report_denied(&context.parts.metrics, address.ip);
            return Err(None);
        }
        let network = counted_network(address.ip, &site);
        if site.proxy_protocol
            && let Some(network) = network
            && !slot.assign(network).await
        {
            // The limit is counted and logged as one that a connection reaches on arrival.
            return Err(None);
        }
        let party = network.map_or_else(|| Party::Connection(slot.number()), Party::Network);
        let turn = Turn::new(Rc::clone(&context.turns), party);
        let done = handshake(
            stream,
            address,
            &site,
            &context.parts.identities,
            &context.batcher,
            (turn, slot.life()),
        )
        .await;
        match done {
            Ok(done) => Ok((done, party)),
            Err(failed) => Err(Some((failure::reason(&failed.error), failed))),
        }
    });
    let metrics = context.parts.metrics.clone();
    let (reason, failure) = match handshake.await {
        Ok(Ok((Handshake::Client(stream, connection), party))) => {
            metrics.handshakes.increment();
            metrics.tls_sessions.increment(connection.negotiated().session);
            let fixed = (Rc::clone(&connection), Rc::clone(slot.life()));
            let server = Server::new(fixed, stream.protocol(), &site, context, party);
            slot.established(&connection);
            return Some((stream, server));
        }
        Ok(Ok((Handshake::Validation(domain, stream), _))) => {
            metrics.acme_validations.increment();
            if let Some(others) = VALIDATIONS.others() {
                let others = (others > 0).then_some(others);
                tracing::info!(client_ip = %client_ip.get(), %domain, others, "ACME validation answered");
            }
            tls::drain_and_close(stream).await;
            return None;
        }
        Ok(Err(Some(failed))) => failed,
        // It was refused before its handshake.
        Ok(Err(None)) => return None,
        Err(_) => {
            let error = std::io::Error::other(format!("the handshake took longer than {timeout:?}"));
            (HandshakeFailure::Timeout, error.into())
        }
    };
    if is_probe(&failure) {
        metrics.probes.increment();
        tracing::debug!(client_ip = %client_ip.get(), "connection closed by its peer before it sent anything");
        return None;
    }
    metrics.handshakes_failed.increment();
    metrics.handshake_failures.increment(reason);
    if let Some(others) = FAILED.others(&Network::of(client_ip.get())) {
        // Absent if there are none: mostly each failure has its line.
        let others = (others > 0).then_some(others);
        let (failed_for, reason) = (reason, text::shown(&failure.error));
        if matches!(failed_for, HandshakeFailure::ProxyHeader | HandshakeFailure::PrivateKey) {
            // Behind a balancer that is what all connections do, and all need the key: an outage.
            tracing::warn!(client_ip = %client_ip.get(), reason, others, "handshake failed");
        } else {
            tracing::info!(client_ip = %client_ip.get(), reason, others, "handshake failed");
        }
    }
    if let Some(stream) = failure.io {
        tls::drain_and_close(stream).await;
    }
    None
}

/// Counts and logs that a connection is closed because of its client's address.
pub(crate) fn report_denied(metrics: &Recorder, client_ip: IpAddr) {
    metrics.connections_closed.increment(CloseReason::Denied);
    if let Some(others) = DENIED.others() {
        let client_ip = client_ip.to_canonical();
        tracing::info!(%client_ip, others, "connection closed: [listen] does not allow its address");
    }
}

/// Logs how many handshakes have failed of which no line says so. To be called every second.
pub(crate) fn log_other_failures() {
    let others = FAILED.take_others();
    if others > 0 {
        tracing::info!(others, "more handshakes failed");
    }
}

/// Whether the peer sent nothing, as load balancers do that probe whether a port is open.
fn is_probe(failure: &tls::HandshakeFailure<Stream>) -> bool {
    match &failure.error {
        tls::AcceptError::Nothing => true,
        tls::AcceptError::Handshake(error) => proxy_protocol::sent_nothing(error),
        _ => false,
    }
}

/// Serves HTTP/1.1, parked while there is no request.
async fn http1(server: &Server, mut stream: Box<ClientStream>) -> Result<(), String> {
    let mut read = Bytes::new();
    loop {
        let Outcome::Parked(parked) = Box::pin(server.http1(stream, read)).await? else { return Ok(()) };
        (stream, read) = (parked.stream, parked.read);
        tracing::debug!("connection parked");
        if read.is_empty() {
            wait_readable(server, &mut stream).await;
        }
        if !server.life.resume() {
            // An error means that the peer has gone already.
            let _ = timeout_at(server.life.deadline(Bodies::Complete).at, stream.shutdown()).await;
            return Ok(());
        }
    }
}

/// Waits until the peer of a parked connection sends something. At `idle_timeout` the connection is closed.
async fn wait_readable(server: &Server, stream: &mut ClientStream) {
    while !server.life.is_closing() {
        tokio::select! {
            _ = stream.wait_readable() => return,
            // Nothing is overdue if it was asked to close or to leave.
            overdue = server.life.overdue() => if let Some(overdue) = overdue {
                if overdue == Overdue::Idle {
                    server.count_idle();
                }
                server.life.close();
            }
        }
    }
}
