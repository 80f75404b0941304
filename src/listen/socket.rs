//! Listening sockets: one per worker on the same address, so that the kernel spreads connections.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that the kernel queues before they are accepted, unless `net.core.somaxconn` is lower.
pub const BACKLOG: i32 = 1024;

/// Binds `count` sockets to one address with `SO_REUSEPORT`. Port 0 selects a free port, the same for all.
///
/// A first bind without `SO_REUSEPORT` ensures that no other program listens there: two instances would silently share
/// the port.
pub(super) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let probe = socket(address, false)?;
    let address = SocketAddr::new(address.ip(), probe.local_addr()?.port());
    drop(probe);
    (0..count).map(|_| socket(address, true)).collect()
}

/// Prepares a socket that another process opened.
pub(super) fn prepare(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    SockRef::from(listener).set_tcp_nodelay(true)
}

/// Distributes the sockets of an address to `count` workers. Each socket is served, and each worker serves one at least: the number
/// of workers may be another than that of the process which opened them, and a socket that is closed loses its queue.
pub(super) fn distribute(sockets: &[TcpListener], count: usize) -> io::Result<Vec<Vec<TcpListener>>> {
    let of_worker = |worker: usize| {
        let own = sockets.iter().skip(worker).step_by(count.max(1));
        // Further workers share a socket.
        let shared = sockets
            .iter()
            .cycle()
            .skip(worker)
            .take(usize::from(worker >= sockets.len() && !sockets.is_empty()));
        own.chain(shared).map(TcpListener::try_clone).collect()
    };
    (0..count).map(of_worker).collect()
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_socket_is_served_by_any_number_of_workers() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        for (workers, expected) in [(1, &[3][..]), (2, &[2, 1]), (3, &[1, 1, 1]), (5, &[1, 1, 1, 1, 1])] {
            let distributed = distribute(&sockets, workers).unwrap();
            assert_eq!(distributed.iter().map(Vec::len).collect::<Vec<_>>(), expected);
        }
    }
}
