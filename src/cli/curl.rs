//! A curl command that requests a token through an edge on this machine.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use super::reachable::reachable;
use crate::text::suggest::shell_word;

/// A token request with a client certificate, or without one.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The folder of the development certificates.
    pub(super) certs: &'a Path,
    /// The names of the client's certificate and key, without `.pem` and `.key`.
    pub(super) certificate: Option<&'a str>,
    /// The address of the edge.
    pub(super) edge: SocketAddr,
    /// The domain that it serves.
    pub(super) domain: &'a str,
    /// The path of the token endpoint.
    pub(super) path: &'a str,
}

/// The command up to the URL: parameters can follow.
impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certs, certificate, edge, domain, path } = self;
        let file = |name: String| shell_word(&certs.join(name).display().to_string());
        write!(f, "curl --cacert {}", file("server-ca.pem".to_owned()))?;
        if let Some(name) = certificate {
            write!(f, " --cert {}", file(format!("{name}.pem")))?;
            write!(f, " --key {}", file(format!("{name}.key")))?;
        }
        // Every resolver knows localhost.
        if *domain != "localhost" {
            let port = edge.port();
            match reachable(*edge).ip() {
                IpAddr::V4(ip) => write!(f, " --resolve {domain}:{port}:{ip}")?,
                IpAddr::V6(ip) => write!(f, " --resolve {domain}:{port}:[{ip}]")?,
            }
        }
        write!(f, " https://{domain}:{}{path} -d grant_type=client_credentials", edge.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_command_as_it_is_meant() {
        let call = Call {
            certs: Path::new("my edge's/certs"),
            certificate: Some("billing"),
            edge: "[::]:8443".parse().unwrap(),
            domain: "mtls.example.com",
            path: "/token",
        };
        assert_eq!(
            call.to_string(),
            r"curl --cacert 'my edge'\''s/certs/server-ca.pem' --cert 'my edge'\''s/certs/billing.pem' --key 'my edge'\''s/certs/billing.key' --resolve mtls.example.com:8443:[::1] https://mtls.example.com:8443/token -d grant_type=client_credentials"
        );
        let call = Call { certs: Path::new("certs"), certificate: None, domain: "localhost", ..call };
        assert_eq!(
            call.to_string(),
            "curl --cacert certs/server-ca.pem https://localhost:8443/token -d grant_type=client_credentials"
        );
    }
}
