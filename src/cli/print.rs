//! What the commands write to the standard streams. Neither a reader that is gone nor a full disk makes them panic.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use crate::{
    config::{Problem, render},
    observe::has_colours,
};

/// Writes text to standard output. A closed pipe is no error: its reader, such as `head` or `grep -q`, has read enough.
pub(super) fn out(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes the result of a command, whose exit code is `code` if that can be written.
pub(super) fn result(text: impl Display, code: ExitCode) -> ExitCode {
    match out(text) {
        Ok(()) => code,
        Err(error) => failure(error),
    }
}

/// Writes text to standard error; there is nowhere to report that it can't be written.
pub(super) fn err(text: impl Display) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Writes why a command failed.
pub(super) fn failure(error: impl Display) -> ExitCode {
    err(format_args!("error: {error}\n"));
    ExitCode::FAILURE
}

/// Writes the problems of a configuration.
pub(super) fn problems(problems: &[Problem]) {
    err(render(problems, has_colours(&io::stderr())));
}
