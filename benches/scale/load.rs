//! A small constant load: requests are sent at fixed times, however late the responses.
//!
//! Its clients are threads: each sleeps until its next request, more precisely than the runtime's timers.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustls::{ClientConnection, StreamOwned, crypto::aws_lc_rs::default_provider};
use testkit::client::tls_config;

use crate::edge::{DOMAIN, payments};

const CONNECTIONS: usize = 4;
/// The time between requests of one connection.
const EVERY: Duration = Duration::from_millis(4);
const REQUEST: &[u8] = b"POST /oauth/token HTTP/1.1\r\nhost: mtls.localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 18\r\n\r\nclient_id=payments";

/// A running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Duration>>>,
}

impl Load {
    /// Connects the clients as "payments" of this folder, and starts the load.
    pub fn start(address: SocketAddr, folder: &Path) -> Self {
        let (ca, credentials) = payments(folder);
        let provider = default_provider();
        let config = Arc::new(tls_config(ca, Some(&credentials), rustls::ALL_VERSIONS, provider));
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..CONNECTIONS)
            .map(|_| {
                let (stop, config) = (Arc::clone(&stop), Arc::clone(&config));
                let tcp = TcpStream::connect(address).unwrap();
                tcp.set_nodelay(true).unwrap();
                tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                thread::spawn(move || {
                    let tls = ClientConnection::new(config, DOMAIN.try_into().unwrap()).unwrap();
                    client(StreamOwned::new(tls, tcp), &stop)
                })
            })
            .collect();
        Self { stop, clients }
    }

    /// Ends the load. Returns the latencies of all requests, from when each was due, in ascending order.
    pub fn end(self) -> Vec<Duration> {
        self.stop.store(true, Relaxed);
        let mut latencies: Vec<_> =
            self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        latencies.sort_unstable();
        latencies
    }
}

fn client(mut stream: StreamOwned<ClientConnection, TcpStream>, stop: &AtomicBool) -> Vec<Duration> {
    let mut latencies = Vec::new();
    let mut buffer = [0; 4096];
    exchange(&mut stream, &mut buffer);
    let mut due = Instant::now();
    while !stop.load(Relaxed) {
        due += EVERY;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        exchange(&mut stream, &mut buffer);
        latencies.push(due.elapsed());
    }
    latencies
}

fn exchange(stream: &mut StreamOwned<ClientConnection, TcpStream>, buffer: &mut [u8]) {
    stream.write_all(REQUEST).unwrap();
    let mut read = 0;
    while !buffer[..read].ends_with(b"{}") {
        match stream.read(&mut buffer[read..]).unwrap() {
            0 => panic!("the edge closed: {}", String::from_utf8_lossy(&buffer[..read])),
            count => read += count,
        }
    }
    assert!(buffer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&buffer[..read]));
}
