//! `demo`: generates certificates, starts a token endpoint behind the edge, and shows a token per authentication method and refusals.

mod application;
mod assertion;
mod token_endpoint;

use std::{fmt::Write, net::SocketAddr, path::Path, process::ExitCode, time::Duration};

use self::{
    application::{Application, Refusal},
    assertion::Signer,
    token_endpoint::TokenEndpoint,
};
use super::{
    curl::Call,
    development::{self, DOMAIN},
    print,
    signals::{Signal, Signals},
};
use crate::{
    clock::Clock,
    config::{Fault, render},
    edge::Edge,
    observe::finish_log,
    source::files::InitialBuild,
    text::suggest::shell_word,
};

/// The issuer identifier of the demo's authorization server.
const ISSUER: &str = "https://localhost/";
/// The secret by which the token endpoint recognizes the demo's edge.
const EDGE_SECRET: &str = "development-only";

/// Serves only the token endpoint, until a signal.
pub(super) fn token_endpoint(port: u16) -> ExitCode {
    let serve = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut signals = Signals::catch()?;
            let endpoint = TokenEndpoint::bind(port, None).await?;
            print::out(format_args!(
                "a token endpoint at {}, which believes the headers of any edge; it serves until Ctrl-C\n",
                endpoint.url()
            ))?;
            tokio::select! {
                result = endpoint.serve() => result,
                () = end(&mut signals) => Ok(()),
            }
        })
    };
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error),
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn failed(failure: Failure) -> ExitCode {
    match failure.downcast::<Fault>() {
        Ok(fault) => print::unusable(*fault),
        Err(error) => print::failure(error),
    }
}

/// Runs the demo; with `once` it exits after its own requests, else it serves until a signal.
pub(super) fn demo(once: bool, port: u16) -> ExitCode {
    match run(once, port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error),
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
    development::write(&certs, DOMAIN)?;
    development::private(&certs.join("cname-api-key"), EDGE_SECRET)?;
    let signer = Signer::generate(&certs, "reports")?;
    let endpoint = runtime.block_on(TokenEndpoint::bind(0, Some(EDGE_SECRET)))?;
    let edge = start(folder.path(), endpoint.url(), port)?;
    let address = *edge.https().first().ok_or("the edge has no HTTPS address")?;
    let mut text = String::new();
    writeln!(text, "authorization server  {}  (a token endpoint that knows no TLS)", endpoint.url())?;
    writeln!(text, "edge                  https://{DOMAIN}:{}  (mutual TLS)", address.port())?;
    for (_, admin) in edge.operators() {
        writeln!(text, "operator              http://{admin}/status")?;
    }
    writeln!(text, "files                 {}\n", folder.path().display())?;
    print::out(text)?;

    let outcome = runtime.block_on(async {
        let serving = endpoint.serve();
        tokio::pin!(serving);
        tokio::select! {
            result = &mut serving => result?,
            result = calls(&certs, signer, address) => result?,
            () = end(&mut signals) => return Ok(()),
        }
        if once {
            return Ok(());
        }
        print::out(format_args!("call it yourself:\n{}\n", curl(&certs, address)))?;
        print::out("it serves until Ctrl-C\n")?;
        tokio::select! {
            result = &mut serving => result,
            () = end(&mut signals) => Ok(()),
        }
    });
    edge.stop()?;
    outcome
}

/// Requests three tokens and shows two refusals, each after the log line of its request.
async fn calls(certs: &Path, signer: Signer, edge: SocketAddr) -> Result<(), Failure> {
    let billing = Application::with_certificate(certs, "billing")?;
    let payments = Application::with_certificate(certs, "payments")?;
    let reports = Application::with_signer(certs, "reports", signer)?;
    let assertion = reports.form(reports.client_id())?;
    for (application, method, form) in [
        (&billing, "self_signed_tls_client_auth", billing.form(billing.client_id())?),
        (&payments, "tls_client_auth", payments.form(payments.client_id())?),
        (&reports, "private_key_jwt", assertion.clone()),
    ] {
        print::out(format_args!("{}, by {method}:\n", application.client_id()))?;
        let token = application.token(edge, form).await?;
        logged().await;
        let binding = application.check_binding(&token)?;
        let claims = serde_json::to_string_pretty(&token.claims)?.replace('\n', "\n         ");
        print::out(format_args!("  token  {}\n  claims {claims}\n  {binding}\n\n", token.text))?;
    }
    print::out("billing's client_id with payments' certificate:\n")?;
    refused(payments.refusal(edge, payments.form(billing.client_id())?).await?).await?;
    print::out("reports' assertion a second time:\n")?;
    refused(reports.refusal(edge, assertion).await?).await
}

/// Prints a refusal after its log line.
async fn refused(Refusal { status, error, error_description }: Refusal) -> Result<(), Failure> {
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
    while matches!(signals.next().await, Signal::Reopen | Signal::Upgrade) {}
}

/// Shell commands that request a token for each application.
fn curl(certs: &Path, edge: SocketAddr) -> String {
    let call = |certificate| Call { certs, certificate, edge, domain: DOMAIN, path: "/oauth/token" };
    let by_certificate =
        ["billing", "payments"].map(|client| format!("  {} -d client_id={client}\n", call(Some(client))));
    let call = call(None);
    let key = shell_word(&certs.join("reports.key").display().to_string());
    let by_assertion = format!(
        r#"
  b64() {{ openssl base64 -A | tr '+/' '-_' | tr -d '='; }}
  now=$(date +%s)
  claims='{{"iss":"reports","sub":"reports","aud":"{ISSUER}","jti":"%s","iat":%s,"exp":%s}}'
  jwt="$(printf '{{"alg":"RS256"}}' | b64).$(printf "$claims" "$(openssl rand -hex 16)" "$now" "$((now + 60))" | b64)"
  jwt="$jwt.$(printf %s "$jwt" | openssl dgst -sha256 -sign {key} | b64)"
  {call} -d client_id=reports \
    -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer -d client_assertion="$jwt"
"#
    );
    by_certificate.concat() + &by_assertion
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
client_auth = "optional"
issuer = "{ISSUER}"
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

[[application]]
client_id = "reports"
auth_method = "private_key_jwt"
[[application.credential]]
name = "demo"
public_key = "certs/reports-public.pem"
"#,
    )?;
    let initial =
        InitialBuild::new(&config.into(), Clock::System).map_err(|problems| render(&problems, false))?;
    Ok(Edge::start(initial, None, Vec::new())?)
}
