//! The commands, one file each.

mod check;
mod completions;
mod config_path;
mod curl;
mod demo;
mod dev_cert;
mod development;
mod doctor;
mod explain;
mod folder;
mod init;
mod inspect;
mod man;
mod number;
mod presented;
mod print;
mod reachable;
mod resolve;
mod run;
mod schema;
mod signals;
mod status;
mod verdict;
mod version;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{ColorChoice, Parser, Subcommand};
use clap_complete::Shell;

use self::{config_path::ConfigFile, number::number};

use crate::{
    observe::{choose_colours, finish_log, has_colours},
    pkcs11,
};

/// A TLS-terminating edge for OAuth 2.0 mutual-TLS client authentication (RFC 8705).
#[derive(Debug, Parser)]
#[command(name = "mtls-edge", version, about, after_help = ENVIRONMENT)]
pub struct Cli {
    /// When to colour messages and the log: auto, always or never. auto is on a terminal, unless NO_COLOR is set or TERM is dumb.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

const ENVIRONMENT: &str = "Environment:
  MTLS_EDGE_CONFIG  The configuration file, if the command line names none
  RUST_LOG          Log filter of `run`, such as warn or info,mtls_edge=debug; overrides [log] level
  NO_COLOR          Disables colours if set";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM, SIGINT or SIGQUIT, then finish the requests in flight and exit.
    Run {
        #[command(flatten)]
        config: ConfigFile,
        /// Number of worker threads; overrides `[listen] workers`. Default: the number of cores available to the process.
        #[arg(long, value_name = "N", value_parser = number(1_u16..=1024, "a number of threads"))]
        workers: Option<u16>,
    },
    /// Validate a configuration and the files it references; exits 1 on errors.
    Check {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        options: check::Options,
    },
    /// Show the status of a running edge: its health and problems, upcoming expiries, last use of each credential. Exits 0 if the edge is
    /// healthy, 3 if it is degraded, 1 if there is no status.
    Status {
        #[command(flatten)]
        config: ConfigFile,
        /// The admin address of the running edge. Default: that of the configuration.
        #[arg(long, value_name = "ADDR", value_parser = status::address, conflicts_with_all = ["config", "file"])]
        admin: Option<SocketAddr>,
        #[command(flatten)]
        options: status::Options,
    },
    /// Show a certificate, a public key, a client assertion or a request object as the edge sees it, and the credential to paste into
    /// applications.toml.
    Inspect {
        /// A certificate or its chain (PEM, DER), a public key (PEM, DER, JWK, JWK set), or a signed JWT; - reads standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Judge a certificate or a JWT by this configuration (edge.toml), too, as explain does. Default: $MTLS_EDGE_CONFIG, else none.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The client that presents it. Default: the one that the JWT names, or each that has registered the certificate.
        #[arg(long, value_name = "ID")]
        client_id: Option<String>,
    },
    /// Judge a certificate, a client assertion or a request object by a configuration, as a running edge would: which application and
    /// credential it is, on which routes, until when, or why it is refused. Exits 0 if it is accepted, 3 if it is refused, 1 on errors.
    Explain {
        /// A certificate or its chain (PEM, DER), or a signed JWT; - reads standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The configuration file (edge.toml); - reads standard input. Default: $MTLS_EDGE_CONFIG, else /etc/mtls-edge/edge.toml.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The client that presents it. Default: the one that the JWT names, or each that has registered the certificate.
        #[arg(long, value_name = "ID")]
        client_id: Option<String>,
    },
    /// Send forged headers straight to every origin, and report which of them believes these; exits 1 if one does, 3 if not every one could be judged.
    Doctor {
        #[command(flatten)]
        config: ConfigFile,
        /// The application to impersonate; repeat for several. Default: the first three that authenticate with a certificate.
        #[arg(long, value_name = "ID")]
        client_id: Vec<String>,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Generate certificates, start a demo token endpoint behind the edge, request a token with each authentication method, and show a refusal.
    Demo {
        /// Exit after the requests instead of serving until Ctrl-C.
        #[arg(long)]
        once: bool,
        /// The port of the edge on loopback. Default: a free one.
        #[arg(long, value_name = "PORT", default_value_t = 0, value_parser = number(0..=u16::MAX, "a port"))]
        port: u16,
        /// Start only a token endpoint on this port of loopback, for an edge of your own. It authenticates nobody.
        #[arg(long, value_name = "PORT", value_parser = number(0..=u16::MAX, "a port"), conflicts_with_all = ["once", "port"])]
        token_endpoint: Option<u16>,
    },
    /// Write a commented configuration for an authorization server, with development certificates, and print the next commands.
    Init(init::Options),
    /// Create another client certificate for a configuration that init has written, and print how to register it.
    DevCert(dev_cert::Options),
    /// Print the version, the commit and the compiler of this program.
    Version {
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of a configuration file, by which editors complete and check it.
    Schema {
        /// The file.
        #[arg(value_name = "FILE")]
        file: schema::File,
    },
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Write the man pages: mtls-edge.1, and one for each command.
    Man {
        /// The folder to write into; it is created if it does not exist.
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
            call(cli.command).unwrap_or_else(|code| code)
        }
        // Help and version are errors, too, to clap.
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            ExitCode::from(2)
        }
        Err(error) => print::result(shown(&error), ExitCode::SUCCESS),
    };
    pkcs11::finish();
    finish_log();
    code
}

/// Help or version, with its styles where standard output is a terminal that has them.
fn shown(error: &clap::Error) -> String {
    let text = error.render();
    if has_colours(&std::io::stdout()) { text.ansi().to_string() } else { text.to_string() }
}

/// Fails with the exit code if there is no configuration.
fn call(command: Command) -> Result<ExitCode, ExitCode> {
    Ok(match command {
        Command::Run { config, workers } => run::run(config.find()?, workers.map(usize::from)),
        Command::Check { config, options } => check::check(&config.open()?, &options),
        Command::Status { config, admin, options } => {
            let admin = admin.map_or_else(
                || config.open().map(status::At::Config),
                |admin| Ok(status::At::Admin(admin)),
            )?;
            status::status(admin, &options)
        }
        Command::Inspect { file, config, client_id } => {
            let config = config.or_else(config_path::from_environment);
            inspect::inspect(&file, config, client_id.as_deref())
        }
        Command::Explain { file, config, client_id } => explain::explain(&file, config, client_id.as_deref()),
        Command::Doctor { config, client_id, json } => doctor::doctor(&config.open()?, &client_id, json),
        Command::Demo { token_endpoint: Some(port), .. } => demo::token_endpoint(port),
        Command::Demo { once, port, .. } => demo::demo(once, port),
        Command::Init(options) => init::init(&options),
        Command::DevCert(options) => dev_cert::dev_cert(&options),
        Command::Version { json } => version::version(json),
        Command::Schema { file } => schema::schema(file),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man { dir } => man::man(&dir),
    })
}
