//! The commands, one file each.

mod check;
mod demo;
mod development;
mod init;
mod inspect;
mod print;
mod run;
mod signals;
mod status;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{ColorChoice, Parser, Subcommand};

use crate::observe::{choose_colours, finish_log, has_colours};

/// A TLS-terminating edge for OAuth 2.0 mutual-TLS client authentication (RFC 8705).
#[derive(Debug, Parser)]
#[command(name = "mtls-edge", version, about, after_help = ENVIRONMENT)]
pub struct Cli {
    /// Colours in messages and in the log: auto means on a terminal, unless NO_COLOR is set or TERM is dumb.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

const ENVIRONMENT: &str = "Environment:
  RUST_LOG  What `run` logs, such as warn or info,mtls_edge=debug; wins over [log] level
  NO_COLOR  Where it is set, no colours";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT, then finish the requests in flight and exit.
    Run {
        /// The configuration, a TOML file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Worker threads; by default `[listen] workers`, else the cores that the process may use.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
        workers: Option<u16>,
    },
    /// Report every problem of a configuration and of the files that it names; exit 1 if one is an error.
    Check {
        /// The configuration, a TOML file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print what a running edge says of itself: its trust, what is about to expire, and each credential's last use.
    Status {
        /// The configuration that the edge runs with: its admin address is asked.
        #[arg(long, value_name = "FILE", required_unless_present = "admin", conflicts_with = "admin")]
        config: Option<PathBuf>,
        /// The admin address itself.
        #[arg(long, value_name = "ADDR")]
        admin: Option<SocketAddr>,
        /// Which page of applications, from 1.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        page: u32,
    },
    /// Show a certificate as the edge sees it, and the credential to paste for it.
    Inspect {
        /// A certificate or a chain, PEM or DER.
        #[arg(value_name = "CERT")]
        certificate: PathBuf,
    },
    /// Make certificates, start a small token endpoint and the edge, and ask for two tokens, one each way.
    Demo {
        /// End after the two tokens instead of serving on.
        #[arg(long)]
        once: bool,
        /// The edge's port on loopback; by default a free one.
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
    },
    /// Write a commented configuration to start from, with certificates for development.
    Init {
        /// The folder to write into.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

/// Runs the command of this command line.
#[must_use]
pub fn main() -> ExitCode {
    let code = match Cli::try_parse() {
        Ok(cli) => {
            match cli.color {
                ColorChoice::Auto => {}
                ColorChoice::Always => choose_colours(true),
                ColorChoice::Never => choose_colours(false),
            }
            call(cli.command)
        }
        // Help and version are errors, too, to clap.
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            ExitCode::from(2)
        }
        Err(error) => print::result(shown(&error), ExitCode::SUCCESS),
    };
    finish_log();
    code
}

/// Help or version, with its styles where standard output is a terminal that has them.
fn shown(error: &clap::Error) -> String {
    let text = error.render();
    if has_colours(&std::io::stdout()) { text.ansi().to_string() } else { text.to_string() }
}

fn call(command: Command) -> ExitCode {
    match command {
        Command::Run { config, workers } => run::run(&config, workers.map(usize::from)),
        Command::Check { config } => check::check(&config),
        Command::Status { config, admin, page } => status::status(config.as_deref(), admin, page),
        Command::Inspect { certificate } => inspect::inspect(&certificate),
        Command::Demo { once, port } => demo::demo(once, port),
        Command::Init { dir } => init::init(&dir),
    }
}
