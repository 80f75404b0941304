//! What stands between the load generator and the upstream: the edge, or a peer set up for the same job.

use std::{io, net::SocketAddr, path::Path, process::Command};

/// The name that clients call, in the server's certificate, in SNI and in `Host`.
pub const DOMAIN: &str = "mtls.auth.example.test";

/// The path that is called, by POST. Peers forward every path; the edge has a route for it.
pub const PATH: &str = "/oauth/token";

/// What a proxy is set up for: client certificates required and verified by a CA, the certificate passed on in a header, the
/// upstream's connections kept, one worker, TLS 1.2 and 1.3 with resumption by tickets, HTTP/1.1 and HTTP/2 by ALPN.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// A folder of its own, empty, for its configuration and state.
    pub folder: &'a Path,
    /// PEM: the server's certificate, then its intermediates.
    pub certificate: &'a Path,
    /// PEM, PKCS#8.
    pub private_key: &'a Path,
    /// PEM: the CA whose clients are let in.
    pub client_ca: &'a Path,
    /// Where it listens, on loopback.
    pub listen: SocketAddr,
    /// Where it forwards to: a peer without TLS, by HTTP/1.1, with connections kept.
    pub origins: &'a Origins,
}

/// Where the upstream is called, on loopback.
#[derive(Clone, Debug)]
pub struct Origins {
    /// Without TLS, by HTTP/1.1.
    pub plain: SocketAddr,
    /// Over TLS, by HTTP/1.1.
    pub tls: SocketAddr,
    /// Over TLS, by HTTP/2.
    pub tls_http2: SocketAddr,
    /// PEM: what its certificate is trusted by. Its name there is its address.
    pub ca: String,
}

/// A proxy that can do the job.
pub trait Contender {
    /// As it stands in the table.
    fn name(&self) -> &'static str;

    /// What it says of its version, in a few words.
    fn version(&self) -> io::Result<String>;

    /// Writes its configuration into the job's folder, and gives the command that runs it in the foreground with one worker, until
    /// SIGTERM. The caller takes what it prints.
    fn command(&self, job: &Job<'_>) -> io::Result<Command>;

    /// The header in which the client's certificate reaches the upstream, in lower case.
    fn certificate_header(&self) -> &'static str;

    /// Whether it is another program than the edge.
    fn is_peer(&self) -> bool {
        true
    }

    /// Threads or processes that serve: more than one may use every core.
    fn workers(&self) -> usize {
        1
    }
}
