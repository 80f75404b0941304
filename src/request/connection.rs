//! What is fixed for a connection, computed when its handshake is done.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    task::{Context, Waker},
};

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
    /// The same as the upstream is told, where no trusted proxy says otherwise.
    pub from: CameFrom,
    /// The domain that the handshake was made for: lower case, no trailing dot.
    pub server_name: Box<str>,
    /// The certificate whose key the peer proved to hold; absent where none was presented.
    pub identity: Option<Rc<ClientIdentity>>,
    closing: Cell<bool>,
    proved: Cell<bool>,
    lingers: Cell<bool>,
    /// Held besides by each request's body of which more may come.
    receiving: Rc<()>,
    /// Of the task that serves it.
    waker: RefCell<Option<Waker>>,
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
            closing: Cell::new(false),
            proved: Cell::new(false),
            lingers: Cell::new(false),
            receiving: Rc::new(()),
            waker: RefCell::default(),
        }
    }

    /// Asks for the connection to be closed once the requests in flight are answered.
    pub fn close(&self) {
        if !self.closing.replace(true)
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    /// Notes that an application has authenticated a request over this connection.
    pub fn mark_proved(&self) {
        self.proved.set(true);
    }

    /// What [`Connection::mark_proved`] noted.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.proved.get()
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

    /// Whether [`Connection::close`] was called; if not, the task is woken when it is.
    pub fn is_closing(&self, cx: &Context<'_>) -> bool {
        if self.closing.get() {
            return true;
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        false
    }
}
