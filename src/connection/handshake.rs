//! From the accept to the end of the TLS handshake.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use rustls::server::ClientHello;
use tokio::{net::TcpStream, time::timeout};

use super::{
    failure,
    life::Life,
    proxy_protocol,
    stream::ClientStream,
    turns::{Gate, Turn},
};
use crate::{
    net::{Stream, WriteBatcher},
    request::{ClientAddress, Connection, IdentityCache},
    site::Site,
    tls,
    tls::ClientAuth,
};

/// How long an address that is not trusted may take to close a connection that is only a probe of the port.
const PROBE: Duration = Duration::from_secs(1);

/// The client's address. Reads the PROXY header first if that is enabled.
pub(super) async fn client_address(
    stream: &mut TcpStream,
    tcp_peer: SocketAddr,
    local_port: u16,
    site: &Site,
) -> io::Result<ClientAddress> {
    let tcp_ip = tcp_peer.ip().to_canonical();
    let trusted = |ip: &IpAddr| site.trusted_proxies.iter().any(|network| network.contains(ip));
    let (ip, trusted_proxy) = if site.proxy_protocol {
        if !trusted(&tcp_ip) {
            // Such as a monitor's: it is no failure then.
            // Not until the handshake's time is over, which would hide the reason.
            let wait = PROBE.min(site.limits.handshake_timeout / 2);
            timeout(wait, proxy_protocol::first_byte(stream)).await.unwrap_or(Ok(()))?;
            let message = "only trusted_proxies may connect, since proxy_protocol is on";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        match proxy_protocol::read(stream).await? {
            Some(client) => (client.to_canonical(), trusted(&client.to_canonical())),
            // A load balancer that forwards TCP writes no X-Forwarded-For: such a field comes from the client, whether the
            // header has its address or not.
            None => (tcp_ip, false),
        }
    } else {
        (tcp_ip, trusted(&tcp_ip))
    };
    Ok(ClientAddress { ip, trusted_proxy, local_port })
}

/// What a handshake has led to.
pub(super) enum Handshake {
    /// A client's connection.
    Client(Box<ClientStream>, Rc<Connection>),
    /// A CA has validated this domain. Nothing is served.
    Validation(Box<str>, tls::Corked<Stream>),
}

/// Performs the TLS handshake, one step per turn. The caller limits the time.
pub(super) async fn handshake(
    stream: TcpStream,
    address: ClientAddress,
    site: &Site,
    identities: &IdentityCache,
    batcher: &WriteBatcher,
    (turn, life): (Turn, &Rc<Life>),
) -> Result<Handshake, tls::HandshakeFailure<Stream>> {
    let domain = |name: &str, hello: &ClientHello<'_>| {
        site.server_configs(name).map(|configs| Arc::clone(configs.select(hello)))
    };
    let stream = batcher.stream(stream);
    let mut gate = Gate::new(stream.readiness(), turn);
    gate.wait_for_turn().await;
    // Made and boxed only now: in a storm, new pages of memory for each stranger's would delay the accept of everyone else.
    let mut accepted = Box::pin(tls::accept(stream, domain, &site.challenges));
    // A handshake step takes as long as many requests: what they have written is sent before it.
    let accepted = poll_fn(|cx| {
        if !gate.is_open(cx) {
            return Poll::Pending;
        }
        batcher.flush();
        accepted.as_mut().poll(cx)
    });
    let accepted = match accepted.await? {
        tls::Accepted::Client(accepted) => accepted,
        tls::Accepted::Validation { server_name, io } => return Ok(Handshake::Validation(server_name, io)),
    };
    accepted.stream.get_ref().0.get_ref().enable_batching();
    let chain = accepted.stream.get_ref().1.peer_certificates();
    let required = site
        .domains
        .get(&accepted.server_name)
        .is_none_or(|domain| domain.client_auth == ClientAuth::Required);
    if required && chain.is_none_or(<[_]>::is_empty) {
        return Err(io::Error::other(failure::NoCertificate).into());
    }
    let identity = chain.and_then(|chain| identities.lookup(chain));
    let negotiated = failure::negotiated(accepted.stream.get_ref().1);
    let connection = Rc::new(Connection::new(address, accepted.server_name, identity, negotiated));
    // Boxed at once: it is large, and moved several times from here.
    Ok(Handshake::Client(Box::new(ClientStream::new(accepted.stream, Rc::clone(life))), connection))
}
