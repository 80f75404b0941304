//! What is fixed for a connection, computed when its handshake is done.

use std::{cell::Cell, net::IpAddr, rc::Rc};

use tokio::sync::Notify;

use super::Peer;
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
    /// The same as the upstream is told, where no trusted proxy says otherwise.
    pub from: CameFrom,
    /// The domain that the handshake was made for: lower case, no trailing dot.
    pub server_name: Box<str>,
    /// The certificate whose key the peer proved to hold; absent where none was presented.
    pub peer: Option<Rc<Peer>>,
    closing: Cell<bool>,
    lingers: Cell<bool>,
    close: Notify,
}

impl Connection {
    /// A connection of this domain, with the certificate that was presented, if any.
    #[must_use]
    pub fn new(address: ClientAddress, server_name: Box<str>, peer: Option<Rc<Peer>>) -> Self {
        Self {
            from: CameFrom::peer(address.ip),
            address,
            server_name,
            peer,
            closing: Cell::new(false),
            lingers: Cell::new(false),
            close: Notify::new(),
        }
    }

    /// Asks for the connection to be closed once the requests in flight are answered.
    pub fn close(&self) {
        if !self.closing.replace(true) {
            self.close.notify_one();
        }
    }

    /// Notes whether the last request was answered before its body was read, so that more of it may come.
    pub fn linger(&self, lingers: bool) {
        self.lingers.set(lingers);
    }

    /// What [`Connection::linger`] noted.
    #[must_use]
    pub fn lingers(&self) -> bool {
        self.lingers.get()
    }

    /// Waits until [`Connection::close`] is called.
    pub async fn close_asked(&self) {
        self.close.notified().await;
    }
}
