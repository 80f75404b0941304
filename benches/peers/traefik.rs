//! Traefik: a Go program on one core.

use std::{fs, io, process::Command};

use serde_json::{Value, json};

use super::place::Binary;
use crate::harness::contender::{Contender, Job};

/// Traefik 3, with Go's TLS, which has X25519MLKEM768.
pub struct Traefik(pub Binary);

impl Contender for Traefik {
    fn name(&self) -> &'static str {
        "Traefik"
    }

    fn version(&self) -> io::Result<String> {
        let [traefik, go] = self.0.version(&["version"], ["Version:", "Go version:"])?;
        Ok(format!("Traefik {traefik}, {go}"))
    }

    fn command(&self, job: &Job<'_>) -> io::Result<Command> {
        // JSON is YAML.
        let routes = job.folder.join("routes.yaml");
        fs::write(&routes, format!("{:#}", dynamic(job)))?;
        let settings = json!({
            "global": {"checkNewVersion": false, "sendAnonymousUsage": false},
            "log": {"level": "ERROR"},
            "entryPoints": {"tls": {
                "address": job.listen.to_string(),
                "http": {"tls": {}},
                "http2": {"maxConcurrentStreams": 256},
                "transport": {
                    "respondingTimeouts": {"idleTimeout": "1h"},
                    // How long it waits for clients to leave after SIGTERM.
                    "lifeCycle": {"graceTimeOut": "1s"},
                },
            }},
            "serversTransport": {
                "maxIdleConnsPerHost": 512,
                "forwardingTimeouts": {"idleConnTimeout": "1h"},
            },
            "providers": {"file": {"filename": routes, "watch": false}},
        });
        fs::write(job.folder.join("traefik.yaml"), format!("{settings:#}"))?;
        let mut command = self.0.run(job);
        command.arg("--configFile=traefik.yaml").env("GOMAXPROCS", "1");
        Ok(command)
    }

    fn certificate_header(&self) -> &'static str {
        "x-forwarded-tls-client-cert"
    }
}

fn dynamic(job: &Job<'_>) -> Value {
    json!({
        "http": {
            "routers": {"tokens": {
                "rule": "PathPrefix(`/`)",
                "entryPoints": ["tls"],
                "middlewares": ["certificate"],
                "service": "tokens",
            }},
            "middlewares": {"certificate": {"passTLSClientCert": {"pem": true}}},
            "services": {"tokens": {"loadBalancer": {"servers": [{"url": format!("http://{}", job.origins.plain)}]}}},
        },
        "tls": {
            "stores": {"default": {
                "defaultCertificate": {"certFile": job.certificate, "keyFile": job.private_key},
            }},
            "options": {"default": {
                "minVersion": "VersionTLS12",
                "clientAuth": {
                    "caFiles": [job.client_ca],
                    "clientAuthType": "RequireAndVerifyClientCert",
                },
            }},
        },
    })
}
