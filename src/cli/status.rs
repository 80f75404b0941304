//! `status`: shows the status of a running edge, once or repeatedly. Exits by its health.

mod fetch;
mod json;
mod layout;
mod view;
mod watch;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use tokio::runtime::{Builder, Runtime};

use self::{fetch::Endpoint, layout::Screen};
use super::{number::number, print};
use crate::{
    admin::{self, Level, Status},
    config::{self, Fault, Input},
};

/// The exit code if the edge is degraded; clap's is 2.
const DEGRADED: u8 = 3;

/// Where the admin address of the running edge is from.
#[derive(Debug)]
pub(super) enum At {
    /// The command line.
    Admin(SocketAddr),
    /// A configuration.
    Config(Input),
}

/// What to show, and how.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Print the document of /status, indented, for scripts.
    #[arg(long, conflicts_with_all = ["expiring", "watch", "wide"])]
    json: bool,
    /// Show this application only, in full.
    #[arg(long, value_name = "ID", conflicts_with_all = ["expiring", "page"])]
    client_id: Option<String>,
    /// Show only what has expired or will expire within DAYS. Default: 30.
    #[arg(long, value_name = "DAYS", num_args = 0..=1, default_missing_value = "30", value_parser = number(0..=u32::MAX, "a number of days"), conflicts_with = "page")]
    expiring: Option<u32>,
    /// Repeat every SECONDS until Ctrl-C. Default: 2.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = number(1_u16..=3600, "a number of seconds"))]
    watch: Option<u16>,
    /// Show thumbprints and long values in full, whatever the width of the terminal.
    #[arg(long)]
    wide: bool,
    /// Print only whether the edge is ready (/readyz of [listen] health, or else of the admin address); exit 0 if it is, else 1. For health checks of containers, which must not restart an edge
    /// because something else is wrong.
    #[arg(long, conflicts_with_all = ["json", "client_id", "expiring", "watch", "wide", "page"])]
    ready: bool,
    /// The file with the token of the admin address. Default: that of the configuration.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A client certificate to present, if the admin address asks for one.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of the client certificate.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The page of applications to show, from 1.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number(1..=u32::MAX, "a page"))]
    page: u32,
}

/// Parses the value of `--admin`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let expected = "expected an IP address and a port, as the log of the edge has it";
    config::listen_address(text, admin::DEFAULT_ADDRESS)
        .map_err(|fault| fault.help.map_or_else(|| expected.to_owned(), |help| format!("{expected}; {help}")))
}

/// Shows the status of the edge. Exits 0 if the edge is healthy, 3 if it is
/// degraded, 1 if there is no status.
pub(super) fn status(at: At, options: &Options) -> ExitCode {
    let endpoint = match Endpoint::find(at, options) {
        Ok(endpoint) => endpoint,
        Err(code) => return code,
    };
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return print::failure(error),
    };
    match options.watch {
        Some(seconds) => {
            let every = Duration::from_secs(seconds.into());
            runtime.block_on(watch::watch(&endpoint, options, every))
        }
        None => once(&runtime, &endpoint, options),
    }
}

fn once(runtime: &Runtime, endpoint: &Endpoint, options: &Options) -> ExitCode {
    if options.ready {
        return match runtime.block_on(endpoint.ready()) {
            Ok(ready) => print::result(ready, ExitCode::SUCCESS),
            Err(fault) => print::unusable(fault),
        };
    }
    let shown = runtime.block_on(endpoint.get(options)).and_then(|document| {
        let text = if options.json {
            json::indented(&document.text)
        } else {
            text(&document.status, endpoint, options, Screen::of_stdout())?
        };
        Ok((text, code(&document.status)))
    });
    match shown {
        Ok((text, code)) => print::result(text, code),
        Err(fault) => print::unusable(fault),
    }
}

/// The status as text for this screen.
fn text(status: &Status, endpoint: &Endpoint, options: &Options, screen: Screen) -> Result<String, Fault> {
    let screen = if options.wide { screen.unlimited() } else { screen };
    let blocks = view::blocks(status, endpoint, options)?;
    Ok(layout::text(&blocks, screen))
}

fn code(status: &Status) -> ExitCode {
    match &status.health {
        Some(health) if health.state == Level::Degraded => ExitCode::from(DEGRADED),
        _ => ExitCode::SUCCESS,
    }
}
