//! The addresses of operators and of health checks.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use super::EdgeError;
use crate::{
    admin::{self, Paths},
    config::{Spanned, settings::Settings},
    listen::{Group, Purpose},
    load::cannot_bind,
};

/// An address that is bound and not served yet.
#[derive(Debug)]
pub(super) struct Bound {
    purpose: Purpose,
    /// The configured address; `None` if the service manager has passed another one.
    address: Option<SocketAddr>,
    listener: TcpListener,
}

impl Bound {
    /// Binds the address of this group, unless it has a socket.
    pub(super) fn new(settings: &Settings, purpose: Purpose, group: Group) -> Result<Self, EdgeError> {
        let Group { address, sockets } = group;
        let listener = match (sockets.into_iter().next(), address) {
            (Some(socket), _) => Ok(socket),
            (None, Some(address)) => TcpListener::bind(address),
            (None, None) => Err(std::io::ErrorKind::AddrNotAvailable.into()),
        };
        let listener = listener.map_err(|error| {
            let key = format!("listen.{}", purpose.name());
            let span = settings.spans.get(&key).unwrap_or(&settings.listen.admin.span).clone();
            let value = address.unwrap_or(admin::DEFAULT_ADDRESS);
            EdgeError::Bind(Box::new(cannot_bind(&key, &Spanned { value, span }, &error)))
        })?;
        Ok(Self { purpose, address, listener })
    }

    /// Serves the address.
    pub(super) fn serve(self, state: &Arc<admin::State>) -> Result<Operator, EdgeError> {
        let Self { purpose, address, listener } = self;
        let paths = if purpose == Purpose::Health { Paths::Health } else { Paths::All };
        let start = || {
            let socket = listener.try_clone()?;
            Ok((socket, admin::Server::start(listener, paths, Arc::clone(state))?))
        };
        let (socket, server) = start().map_err(|error| EdgeError::Operators(purpose, error))?;
        Ok(Operator { purpose, address, socket, server })
    }
}

/// An address that is served.
#[derive(Debug)]
pub(super) struct Operator {
    /// What it is for.
    pub(super) purpose: Purpose,
    /// The configured address; see [`Group::address`].
    pub(super) address: Option<SocketAddr>,
    /// A second handle, to be passed to a process that replaces this one.
    pub(super) socket: TcpListener,
    /// Serves it.
    pub(super) server: admin::Server,
}

impl Operator {
    /// Closes the addresses and their connections.
    pub(super) fn stop(operators: Vec<Self>) {
        for Self { server, .. } in operators {
            server.stop();
        }
    }
}
