//! A proxy between the load generator and the upstream: the edge, or a peer configured for the same job.

use std::{io, net::SocketAddr, path::Path, process::Command};

/// The server name: in its certificate, in SNI and in `Host`.
pub const DOMAIN: &str = "mtls.auth.example.test";

/// The path of all requests, with POST. Peers forward every path; the edge has a route for it.
pub const PATH: &str = "/oauth/token";

/// The job of a proxy: require client certificates and verify them by a CA, pass the certificate on in a header, pool upstream
/// connections, use one worker, offer TLS 1.2 and 1.3 with session tickets, and HTTP/1.1 and HTTP/2 by ALPN.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// An empty folder for its configuration and state.
    pub folder: &'a Path,
    /// PEM: the server's certificate, then its intermediates.
    pub certificate: &'a Path,
    /// PEM, PKCS#8.
    pub private_key: &'a Path,
    /// PEM: the CA whose clients are accepted.
    pub client_ca: &'a Path,
    /// PEM: the public key of an application that sends assertions. Peers do not know these.
    pub assertion_key: &'a Path,
    /// The loopback address to listen on.
    pub listen: SocketAddr,
    /// Where it forwards to. Peers do so without TLS, over pooled HTTP/1.1 connections.
    pub origins: &'a Origins,
}

/// The upstream's addresses, on loopback.
#[derive(Clone, Debug)]
pub struct Origins {
    /// HTTP/1.1 without TLS.
    pub plain: SocketAddr,
    /// HTTP/1.1 over TLS.
    pub tls: SocketAddr,
    /// HTTP/2 over TLS.
    pub tls_http2: SocketAddr,
    /// PEM: the CA of its certificate, which is for its IP address.
    pub ca: String,
}

/// A proxy that can do the job.
pub trait Contender {
    /// The name in the table.
    fn name(&self) -> &'static str;

    /// Its name and version, in a few words.
    fn version(&self) -> io::Result<String>;

    /// Writes its configuration into the job's folder, and returns the command that runs it in the foreground with one worker until
    /// SIGTERM. The caller redirects its output.
    fn command(&self, job: &Job<'_>) -> io::Result<Command>;

    /// The header that carries the client's certificate to the upstream, in lower case.
    fn certificate_header(&self) -> &'static str;

    /// Whether it is a program other than the edge.
    fn is_peer(&self) -> bool {
        true
    }

    /// The number of threads or processes that serve. With more than one it may use every core.
    fn workers(&self) -> usize {
        1
    }
}
