//! What is fixed for a connection, computed when its handshake is done.

use std::{cell::Cell, net::IpAddr, rc::Rc};

use super::ClientIdentity;
use crate::forward::CameFrom;

/// Who is at the other end of the TCP connection.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress {
    /// The application's address: the TCP peer's, or what a PROXY header says.
    pub ip: IpAddr,
    /// Whether `ip` is a trusted proxy's, so that an inbound `X-Forwarded-For` is believed.
    pub trusted_proxy: bool,
    /// The port on which the connection was accepted.
    pub local_port: u16,
}

/// One connection after its handshake.
#[derive(Debug)]
pub struct Connection {
    /// The application's address.
    pub address: ClientAddress,
    /// The same for the upstream, unless a trusted proxy names another one.
    pub from: CameFrom,
    /// The domain that the handshake was made for: lower case, no trailing dot.
    pub server_name: Box<str>,
    /// The certificate whose key the peer proved to hold; absent where none was presented.
    pub identity: Option<Rc<ClientIdentity>>,
    /// Set once: whether an application has authenticated a request over it.
    authenticated: Cell<bool>,
    /// Held besides by each request's body of which more may come.
    receiving: Rc<()>,
}

impl Connection {
    /// A connection of this domain, with the certificate that was presented, if any.
    #[must_use]
    pub fn new(address: ClientAddress, server_name: Box<str>, identity: Option<Rc<ClientIdentity>>) -> Self {
        Self {
            from: CameFrom::peer(address.ip),
            address,
            server_name,
            identity,
            authenticated: Cell::new(false),
            receiving: Rc::new(()),
        }
    }

    /// Notes that an application has authenticated a request over this connection.
    pub fn mark_authenticated(&self) {
        self.authenticated.set(true);
    }

    /// What [`Connection::mark_authenticated`] noted.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.get()
    }

    /// To be held by a request's body while more of it may come.
    #[must_use]
    pub fn receiving(&self) -> Rc<()> {
        Rc::clone(&self.receiving)
    }

    /// Whether more of a request's body may come: its response may be over before it is.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        Rc::strong_count(&self.receiving) > 1
    }
}
