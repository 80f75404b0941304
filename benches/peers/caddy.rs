//! Caddy: a Go program on one core.

use std::{fs, io, process::Command};

use serde_json::{Value, json};

use super::place::Binary;
use crate::harness::contender::{Contender, Job};

/// Caddy 2, with Go's TLS, which has X25519MLKEM768. It gives no session tickets where it asks for client certificates
/// (measured with 2.11.7, whatever the mode), so that it never resumes.
pub struct Caddy(pub Binary);

impl Contender for Caddy {
    fn name(&self) -> &'static str {
        "Caddy"
    }

    fn version(&self) -> io::Result<String> {
        let [caddy] = self.0.version(&["version"], ["v"])?;
        // Its first line.
        let [go] = self.0.version(&["build-info"], ["go\t"])?;
        Ok(format!("Caddy {caddy}, {go}"))
    }

    fn command(&self, job: &Job<'_>) -> io::Result<Command> {
        fs::write(job.folder.join("caddy.json"), format!("{:#}", configuration(job)))?;
        let mut command = self.0.run(job);
        command.args(["run", "--config", "caddy.json"]).env("GOMAXPROCS", "1");
        // It asks for its home before it has read where its storage is.
        command.env("HOME", job.folder).env("XDG_CONFIG_HOME", job.folder).env("XDG_DATA_HOME", job.folder);
        Ok(command)
    }

    fn certificate_header(&self) -> &'static str {
        "client-cert"
    }
}

fn configuration(job: &Job<'_>) -> Value {
    json!({
        "admin": {"disabled": true, "config": {"persist": false}},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "storage": {"module": "file_system", "root": job.folder.join("storage")},
        "apps": {
            "http": {
                // How long it waits for clients to leave after SIGTERM; without it, it waits forever.
                "grace_period": "1s",
                "servers": {"tls": server(job)},
            },
            "tls": {
                "certificates": {"load_files": [{"certificate": job.certificate, "key": job.private_key}]},
            },
        },
    })
}

fn server(job: &Job<'_>) -> Value {
    json!({
        "listen": [job.listen.to_string()],
        // No HTTP/3: it would listen on UDP as well.
        "protocols": ["h1", "h2"],
        "idle_timeout": "1h",
        "automatic_https": {"disable": true},
        "tls_connection_policies": [{
            "protocol_min": "tls1.2",
            "client_authentication": {
                "mode": "require_and_verify",
                "ca": {"provider": "file", "pem_files": [job.client_ca]},
            },
        }],
        "routes": [{"handle": [{
            "handler": "reverse_proxy",
            "upstreams": [{"dial": job.origins.plain.to_string()}],
            "headers": {"request": {"set": {
                "Client-Cert": ["{http.request.tls.client.certificate_der_base64}"],
            }}},
            "transport": {
                "protocol": "http",
                "versions": ["1.1"],
                "compression": false,
                "keep_alive": {"enabled": true, "idle_timeout": "1h", "max_idle_conns_per_host": 512},
            },
        }]}],
    })
}
