//! Envoy: one worker thread beside its main thread.

use std::{fs, io, process::Command};

use serde_json::{Value, json};

use super::place::Binary;
use crate::harness::contender::{Contender, Job};

/// Envoy, with BoringSSL, which has X25519MLKEM768.
pub struct Envoy(pub Binary);

impl Contender for Envoy {
    fn name(&self) -> &'static str {
        "Envoy"
    }

    fn version(&self) -> io::Result<String> {
        let [version] = self.0.version(&["--version"], ["version: "])?;
        // COMMIT/RELEASE/Clean/RELEASE/BoringSSL
        let mut parts = version.split('/');
        let release = parts.nth(1).unwrap_or("unknown");
        Ok(format!("Envoy {release}, {}", parts.next_back().unwrap_or("unknown")))
    }

    fn command(&self, job: &Job<'_>) -> io::Result<Command> {
        fs::write(job.folder.join("envoy.json"), format!("{:#}", configuration(job)))?;
        let mut command = self.0.run(job);
        command.args(["--config-path", "envoy.json", "--concurrency", "1", "--log-level", "error"]);
        // Hot restart shares memory and sockets by a number: several Envoys of one machine would meet.
        command.arg("--disable-hot-restart");
        Ok(command)
    }

    fn certificate_header(&self) -> &'static str {
        "x-forwarded-client-cert"
    }
}

fn configuration(job: &Job<'_>) -> Value {
    json!({
        // Its guide to benchmarks: no statistics where the proxy's own cost is measured.
        "stats_config": {"stats_matcher": {"reject_all": true}},
        "static_resources": {"listeners": [listener(job)], "clusters": [cluster(job)]},
    })
}

fn listener(job: &Job<'_>) -> Value {
    json!({
        "name": "tls",
        "address": {"socket_address": {"address": job.listen.ip(), "port_value": job.listen.port()}},
        "tcp_backlog_size": 4096,
        // Its guide for the edge: 32 KiB; the default is a megabyte.
        "per_connection_buffer_limit_bytes": 32768,
        "filter_chains": [{"transport_socket": tls(job), "filters": [http_filter()]}],
    })
}

fn tls(job: &Job<'_>) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": true,
            "session_timeout": "3600s",
            "common_tls_context": {
                "tls_params": {
                    "tls_minimum_protocol_version": "TLSv1_2",
                    "tls_maximum_protocol_version": "TLSv1_3",
                },
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{
                    "certificate_chain": {"filename": job.certificate},
                    "private_key": {"filename": job.private_key},
                }],
                "validation_context": {"trusted_ca": {"filename": job.client_ca}},
            },
        },
    })
}

fn http_filter() -> Value {
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type":
                "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "tls",
            "codec_type": "AUTO",
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"cert": true, "subject": true},
            // Its guide for the edge.
            "use_remote_address": true,
            "common_http_protocol_options": {
                "idle_timeout": "3600s",
                "headers_with_underscores_action": "REJECT_REQUEST",
            },
            "stream_idle_timeout": "300s",
            "http2_protocol_options": {
                "max_concurrent_streams": 256,
                "initial_stream_window_size": 65536,
                "initial_connection_window_size": 1_048_576,
            },
            // Its guide to benchmarks.
            "generate_request_id": false,
            "route_config": {
                "name": "tokens",
                "virtual_hosts": [{
                    "name": "tokens",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "tokens"}}],
                }],
            },
            "http_filters": [{
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    // Its guide to benchmarks.
                    "dynamic_stats": false,
                },
            }],
        },
    })
}

fn cluster(job: &Job<'_>) -> Value {
    let upstream = json!({"address": job.origins.plain.ip(), "port_value": job.origins.plain.port()});
    // Circuit breaking, with defaults of 1,024, off: its guide to benchmarks.
    let unlimited = u32::MAX;
    json!({
        "name": "tokens",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [{
            "max_connections": unlimited,
            "max_pending_requests": unlimited,
            "max_requests": unlimited,
            "max_retries": unlimited,
        }]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": "3600s"},
                "explicit_http_config": {"http_protocol_options": {}},
            },
        },
        "load_assignment": {
            "cluster_name": "tokens",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": upstream}}}]}],
        },
    })
}
