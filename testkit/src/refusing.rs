//! An address on which nothing listens, and on which nothing can.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// A port that is bound without a listener. Until it is dropped connections to it are refused, whatever ports other tests take.
///
/// The port of a listener that was closed is not that: a process that another test spawns holds the listener open until its `exec`.
pub struct Refusing {
    /// Where connections are refused.
    pub address: SocketAddr,
    socket: TcpSocket,
}

impl Refusing {
    /// Binds a free port of the loopback interface.
    pub fn bind() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: socket.local_addr().unwrap(), socket }
    }

    /// Accepts connections from now on.
    pub fn listen(self) -> TcpListener {
        self.socket.listen(1024).unwrap()
    }

    /// Its URL, without TLS.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
