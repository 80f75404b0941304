//! The facts about a connection that its requests need, computed once after the handshake.

use std::{
    cell::{Cell, OnceCell},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
};

use super::ClientIdentity;
use crate::{
    forward::{BufferedBytes, ForwardedClient},
    net::Network,
    observe::{
        access::{Fragment, Value},
        metrics::{CloseReason, TlsSession},
    },
    site::Site,
    trust::ClientId,
};

/// How the access log says that the client has ended a request.
pub(super) const CLIENT: &str = "client";

/// The addresses of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress {
    /// The client's address: the TCP peer's, or that of the PROXY header.
    pub ip: IpAddr,
    /// Whether `ip` is a trusted proxy, whose `X-Forwarded-For` is trusted.
    pub trusted_proxy: bool,
    /// The local port that accepted the connection.
    pub local_port: u16,
}

/// What the handshake has negotiated.
#[derive(Clone, Copy, Debug)]
pub struct Negotiated {
    /// The version, the group, and whether a session was resumed.
    pub session: TlsSession,
    /// The cipher suite, by its IANA name.
    pub cipher: &'static str,
}

/// The network to which a connection from this address, and its requests, are counted; none for a trusted proxy.
pub(crate) fn counted_network(ip: IpAddr, site: &Site) -> Option<Network> {
    let ip = ip.to_canonical();
    let is_proxy = site.trusted_proxies.iter().any(|network| network.contains(&ip));
    (!is_proxy).then(|| Network::of(ip))
}

/// Why the edge broke off a connection, whatever its requests are at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenOff {
    /// The edge stops or was replaced, and `drain_timeout` was over.
    DrainTimeout,
    /// For one of the reasons that are counted.
    Counted(CloseReason),
}

impl BrokenOff {
    /// A word for the access log.
    const fn name(self) -> &'static str {
        match self {
            Self::DrainTimeout => "drain_timeout",
            Self::Counted(reason) => reason.value(),
        }
    }
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Connection {
    /// The client's address.
    pub address: ClientAddress,
    /// The client's address for forwarding headers, unless a trusted proxy names another one.
    pub from: ForwardedClient,
    /// The server name (SNI) of the handshake: lower case, without a trailing dot.
    pub server_name: Box<str>,
    /// The client's identity, whose private key the peer has proved to possess; `None` without a client certificate.
    pub identity: Option<Rc<ClientIdentity>>,
    negotiated: Negotiated,
    /// Its fields in the access log, once a request was logged.
    log_fields: OnceCell<Fragment>,
    /// The application of the first request on this connection that was authenticated; `None` for one by an access token. Empty until then.
    authenticated: OnceCell<Option<ClientId>>,
    /// The memory of bodies of whom the connection is.
    bodies: OnceCell<Arc<BufferedBytes>>,
    /// The memory of bodies that were sent before a request was authenticated; none until there is one.
    unauthenticated_bodies: OnceCell<Arc<BufferedBytes>>,
    /// Counts, by its clones, the request bodies that may still arrive.
    receiving: Rc<()>,
    broken_off: Cell<Option<BrokenOff>>,
}

impl Connection {
    /// A connection to this domain by this client.
    #[must_use]
    pub fn new(
        address: ClientAddress,
        server_name: Box<str>,
        identity: Option<Rc<ClientIdentity>>,
        negotiated: Negotiated,
    ) -> Self {
        Self {
            from: ForwardedClient::direct(address.ip),
            address,
            server_name,
            identity,
            negotiated,
            log_fields: OnceCell::new(),
            authenticated: OnceCell::new(),
            bodies: OnceCell::new(),
            unauthenticated_bodies: OnceCell::new(),
            receiving: Rc::new(()),
            broken_off: Cell::new(None),
        }
    }

    /// Records that the edge breaks off the connection now. Requests that end after this say so in the log.
    pub fn mark_broken_off(&self, why: BrokenOff) {
        self.broken_off.set(Some(why));
    }

    /// Who or what ends requests that are not complete: the client, unless the edge has broken off the connection.
    pub(super) fn ended_by(&self) -> &'static str {
        self.broken_off.get().map_or(CLIENT, BrokenOff::name)
    }

    /// What the handshake has negotiated.
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        self.negotiated
    }

    /// Records that a request on this connection was authenticated, as that of this application if one is known.
    pub(super) fn mark_authenticated(&self, application: Option<&ClientId>) {
        self.authenticated.get_or_init(|| application.cloned());
    }

    /// Whether a request on this connection was authenticated.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.get().is_some()
    }

    /// The application that has authenticated first on this connection.
    pub(super) fn application(&self) -> Option<&ClientId> {
        self.authenticated.get()?.as_ref()
    }

    /// The memory of bodies of whom the connection is, which `find` finds once.
    pub(super) fn bodies(&self, find: impl FnOnce() -> Arc<BufferedBytes>) -> &Arc<BufferedBytes> {
        self.bodies.get_or_init(find)
    }

    /// The fields of an access log line that are the same for all requests of the connection.
    pub(super) fn log_fields(&self) -> &Fragment {
        self.log_fields.get_or_init(|| {
            let Negotiated { session, cipher } = self.negotiated;
            Fragment::of(&[
                ("client_ip", self.from.text.to_str().ok().map(Value::Token)),
                ("domain", Some(Value::Token(&self.server_name))),
                ("tls_version", Some(Value::Token(session.version()))),
                ("cipher", Some(Value::Token(cipher))),
                ("group", session.group().map(Value::Token)),
                ("resumed", Some(Value::Flag(session.is_resumed))),
            ])
        })
    }

    /// Counts the memory of its bodies until a request is authenticated.
    pub fn unauthenticated_bodies(&self) -> &Arc<BufferedBytes> {
        self.unauthenticated_bodies.get_or_init(Arc::default)
    }

    /// A token that a request body holds until it has arrived completely.
    #[must_use]
    pub fn receiving(&self) -> Rc<()> {
        Rc::clone(&self.receiving)
    }

    /// Whether more of a request body may arrive, even if its response is complete.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        Rc::strong_count(&self.receiving) > 1
    }
}
