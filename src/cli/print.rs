//! Output of the commands to the standard streams. Neither a closed pipe nor a full disk makes them panic.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use crate::{
    config::{Fault, Problem, render},
    observe::{has_colours, write_text},
};

/// Writes text to standard output. A closed pipe is not an error: its reader, such as `head` or `grep -q`, has read enough.
pub(super) fn out(text: impl Display) -> io::Result<()> {
    is_read(text).map(|_| ())
}

/// Writes text to standard output. Returns false if its reader has closed the pipe.
pub(super) fn is_read(text: impl Display) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(true),
    }
}

/// Writes the result of a command. Returns `code` if it could be written.
pub(super) fn result(text: impl Display, code: ExitCode) -> ExitCode {
    match out(text) {
        Ok(()) => code,
        Err(error) => failure(error),
    }
}

/// Writes text to standard error.
pub(super) fn err(text: impl Display) {
    write_text(&text.to_string());
}

/// Writes the error of a failed command.
pub(super) fn failure(error: impl Display) -> ExitCode {
    err(format_args!("error: {error}\n"));
    ExitCode::FAILURE
}

/// Writes why a command failed, and what to do.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn unusable(fault: Fault) -> ExitCode {
    err(explained(&fault));
    ExitCode::FAILURE
}

/// A fault and what to do, on two lines.
pub(super) fn explained(fault: &Fault) -> String {
    let help = fault.help.as_ref().map_or_else(String::new, |help| format!("help: {help}\n"));
    format!("error: {fault}\n{help}")
}

/// Writes the problems of a configuration.
pub(super) fn problems(problems: &[Problem]) {
    err(render(problems, has_colours(&io::stderr())));
}

/// What is wrong with the value of an option, in one line.
pub(super) fn fault(Fault { what, help, .. }: Fault) -> String {
    match help {
        Some(help) => format!("{what}; {help}"),
        None => what,
    }
}

/// A string as it is written in TOML.
pub(super) fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
