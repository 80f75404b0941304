//! `demo`: generates certificates, starts a token endpoint behind the edge, and shows a token per authentication method and a refusal.

mod application;
mod token_endpoint;

use std::{fmt::Write, net::SocketAddr, path::Path, process::ExitCode, time::Duration};

use self::{
    application::{Application, Refusal},
    token_endpoint::TokenEndpoint,
};
use super::{
    development::{self, DOMAIN},
    print,
    signals::{Signal, Signals},
};
use crate::{clock::Clock, config::render, edge::Edge, observe::finish_log, source::files::InitialBuild};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the demo; with `once` it exits after its own requests, else it serves until a signal.
pub(super) fn demo(once: bool, port: u16) -> ExitCode {
    match run(once, port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => print::failure(error),
    }
}

fn run(once: bool, port: u16) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // An uncaught signal would end the process without removing its folder.
    let mut signals = runtime.block_on(async { Signals::catch() })?;
    // Only the owner may read its keys, whatever the umask.
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("mtls-edge-demo-").permissions(private).tempdir()?;
    let certs = folder.path().join("certs");
    development::write(&certs)?;
    let endpoint = runtime.block_on(TokenEndpoint::bind())?;
    let edge = start(folder.path(), endpoint.url(), port)?;
    let address = *edge.https().first().ok_or("the edge has no HTTPS address")?;
    let mut text = String::new();
    writeln!(text, "authorization server  {}  (a token endpoint that knows no TLS)", endpoint.url())?;
    writeln!(text, "edge                  https://{DOMAIN}:{}  (mutual TLS)", address.port())?;
    writeln!(text, "operator              http://{}/status", edge.admin())?;
    writeln!(text, "files                 {}\n", folder.path().display())?;
    print::out(text)?;

    let outcome = runtime.block_on(async {
        let serving = endpoint.serve();
        tokio::pin!(serving);
        tokio::select! {
            result = &mut serving => result?,
            result = calls(&certs, address) => result?,
            () = end(&mut signals) => return Ok(()),
        }
        if once {
            return Ok(());
        }
        print::out(format_args!("call it yourself:\n{}\n", curl(&certs, address.port())))?;
        print::out("it serves until Ctrl-C\n")?;
        tokio::select! {
            result = &mut serving => result,
            () = end(&mut signals) => Ok(()),
        }
    });
    edge.stop()?;
    outcome
}

/// Requests two tokens and shows a refusal, each after the log line of its request.
async fn calls(certs: &Path, edge: SocketAddr) -> Result<(), Failure> {
    let [billing, payments] = [Application::load(certs, "billing")?, Application::load(certs, "payments")?];
    for (application, method) in [(&billing, "self_signed_tls_client_auth"), (&payments, "tls_client_auth")] {
        let client_id = application.client_id();
        print::out(format_args!("{client_id}, by {method}:\n"))?;
        let token = application.token(edge).await?;
        logged().await;
        token.check_bound_to(application)?;
        let claims = serde_json::to_string_pretty(&token.claims)?.replace('\n', "\n         ");
        print::out(format_args!(
            "  token  {}\n  claims {claims}\n  the certificate's x5t#S256 {} equals cnf\n\n",
            token.text,
            application.thumbprint()
        ))?;
    }
    print::out("billing's client_id with payments' certificate:\n")?;
    let Refusal { status, error, error_description } = payments.refusal(edge, billing.client_id()).await?;
    logged().await;
    print::out(format_args!(
        "  status             {status}\n  error              {error}\n  error_description  {error_description}\n  the reason is only in the log: an unauthenticated caller must not learn it\n\n"
    ))?;
    Ok(())
}

/// Waits until the log line of a request is written, so that it appears above the response.
async fn logged() {
    // A worker queues its lines once it is idle, right after it has sent the response.
    tokio::time::sleep(Duration::from_millis(20)).await;
    finish_log();
}

/// Waits for a signal that ends the demo. SIGHUP also ends it, since the terminal is gone.
async fn end(signals: &mut Signals) {
    while let Signal::User(_) = signals.next().await {}
}

fn curl(certs: &Path, port: u16) -> String {
    ["billing", "payments"]
        .map(|client| {
            format!(
                "  curl --resolve {DOMAIN}:{port}:127.0.0.1 --cacert {certs}/server-ca.pem --cert {certs}/{client}.pem --key {certs}/{client}.key \\\n    https://{DOMAIN}:{port}/oauth/token -d grant_type=client_credentials -d client_id={client}\n",
                certs = certs.display()
            )
        })
        .concat()
}

/// Starts the edge as `run` does, from files and with all its parts.
fn start(folder: &Path, upstream: &str, port: u16) -> Result<Edge, Failure> {
    let config = folder.join("edge.toml");
    development::readable(
        &config,
        &format!(
            r#"[listen]
https = ["127.0.0.1:{port}"]
admin = "127.0.0.1:0"

[log]
level = "warn,mtls_edge::access=info"

[trust]
client_ca = ["certs/client-ca.pem"]

[[upstream]]
name = "demo"
urls = ["{upstream}"]
headers = {{ cname-api-key = {{ file = "certs/cname-api-key" }} }}

[[domain]]
name = "{DOMAIN}"
certificate = "certs/server.pem"
private_key = "certs/server.key"
"#
        ),
    )?;
    development::readable(
        &folder.join("applications.toml"),
        r#"[[application]]
client_id = "billing"
[[application.credential]]
name = "demo"
certificate = "certs/billing.pem"

[[application]]
client_id = "payments"
[[application.credential]]
name = "demo"
subject_dn = "CN=payments,O=Example Bank,C=DE"
"#,
    )?;
    let initial = InitialBuild::new(&config, Clock::System).map_err(|problems| render(&problems, false))?;
    Ok(Edge::start(initial, None, Vec::new())?)
}
