//! Why `run` has served nothing, and how that is reported: in the format of the log, as far as the configuration has one.

use std::process::ExitCode;

use serde_json::Map;
use tracing::Level;

use crate::{
    cli::print,
    config::{self, Input, Problem, Severity},
    observe::{log::LogFormat, write_json},
    pkcs11::was_pin_refused,
};

/// The exit code after a token has refused a PIN: the service manager must not start the edge again and again, which would lock the token
/// (`RestartPreventExitStatus` of the unit). `EX_CONFIG` of sysexits(3).
const PIN_REFUSED: u8 = 78;

/// Why nothing was served.
#[derive(Debug)]
pub(super) enum Unserved {
    /// The configuration cannot be served.
    Problems(Vec<Problem>),
    /// Something else, for the operator.
    Other(String),
    /// A signal asked for the end.
    Interrupted,
}

impl Unserved {
    /// Reports it on standard error, and returns the exit code. As text if the configuration is not known yet.
    pub(super) fn report(&self, config: Option<&Input>) -> ExitCode {
        const INTERRUPTED: &str = "ended by a signal before anything was served";
        match (self, config.map(config::log_format).unwrap_or_default()) {
            (Self::Problems(problems), LogFormat::Text) => print::problems(problems),
            (Self::Problems(problems), LogFormat::Json) => problems_as_lines(problems),
            (Self::Other(error), LogFormat::Text) => return print::failure(error),
            (Self::Other(error), LogFormat::Json) => write_json(Level::ERROR, error, Map::new()),
            (Self::Interrupted, LogFormat::Text) => print::err(format_args!("{INTERRUPTED}\n")),
            (Self::Interrupted, LogFormat::Json) => write_json(Level::INFO, INTERRUPTED, Map::new()),
        }
        match self {
            Self::Interrupted => ExitCode::SUCCESS,
            _ if was_pin_refused() => ExitCode::from(PIN_REFUSED),
            _ => ExitCode::FAILURE,
        }
    }
}

/// One line per problem, with the members that `check --format json` prints.
fn problems_as_lines(problems: &[Problem]) {
    for mut members in config::records(problems) {
        let message = members.remove("message");
        let severity = members.remove("severity");
        let is_warning = severity.is_some_and(|severity| severity == Severity::Warning.name());
        let level = if is_warning { Level::WARN } else { Level::ERROR };
        write_json(level, message.as_ref().and_then(|message| message.as_str()).unwrap_or_default(), members);
    }
}
