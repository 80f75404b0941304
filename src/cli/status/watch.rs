//! Shows the status repeatedly until a signal: repaints a terminal, or prints one block after the other.

use std::{
    fmt::Write,
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use super::{Endpoint, Options, Screen, code, text};
use crate::cli::{
    print,
    signals::{Signal, Signals},
};

/// Shows the status every so often. Exits by the last one.
pub(super) async fn watch(endpoint: &Endpoint, options: &Options, every: Duration) -> ExitCode {
    match repeat(endpoint, options, every).await {
        Ok(code) => code,
        Err(error) => print::failure(error),
    }
}

async fn repeat(endpoint: &Endpoint, options: &Options, every: Duration) -> io::Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let mut resized = signal(SignalKind::window_change())?;
    let mut output = Output::of_stdout()?;
    let mut last = ExitCode::SUCCESS;
    loop {
        let shown = tokio::select! {
            shown = endpoint.get(options) => shown,
            () = end(&mut signals) => return Ok(last),
        };
        let screen = Screen::of_stdout();
        let shown = shown.and_then(|document| {
            Ok((text(&document.status, endpoint, options, screen)?, code(&document.status)))
        });
        let (text, code) = shown.unwrap_or_else(|fault| (print::explained(&fault), ExitCode::FAILURE));
        last = code;
        if !output.show(&text, screen.height)? {
            return Ok(last);
        }
        tokio::select! {
            () = sleep(every) => {}
            _ = resized.recv() => {}
            () = end(&mut signals) => return Ok(last),
        }
    }
}

/// Waits for a signal that ends the command; SIGHUP does, since the terminal is gone.
async fn end(signals: &mut Signals) {
    while !matches!(signals.next().await, Signal::End | Signal::Hangup) {}
}

/// Where the status appears.
enum Output {
    /// The alternate screen of a terminal, which is painted over.
    Terminal,
    /// Blocks one after the other; whether one was printed.
    Blocks(bool),
}

impl Output {
    fn of_stdout() -> io::Result<Self> {
        let can_paint =
            io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if !can_paint {
            return Ok(Self::Blocks(false));
        }
        // The alternate screen, without a cursor.
        print::out("\u{1b}[?1049h\u{1b}[?25l")?;
        Ok(Self::Terminal)
    }

    /// Shows a text in one write. Returns false if nobody reads any more.
    fn show(&mut self, text: &str, height: Option<usize>) -> io::Result<bool> {
        match self {
            Self::Terminal => print::out(painted(text, height)).map(|()| true),
            Self::Blocks(is_next) => {
                let separator = if std::mem::replace(is_next, true) { "\n" } else { "" };
                print::is_read(format_args!("{separator}{text}"))
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if matches!(self, Self::Terminal) {
            let _ = print::out("\u{1b}[?25h\u{1b}[?1049l");
        }
    }
}

/// Overwrites the screen from its first line, without clearing it before: nothing flickers. Lines that do not fit are counted in the last one.
fn painted(text: &str, height: Option<usize>) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let height = height.unwrap_or(lines.len()).max(1);
    let shown = if lines.len() > height { height - 1 } else { lines.len() };
    let mut painted = "\u{1b}[H".to_owned();
    for (number, line) in lines.iter().take(shown).enumerate() {
        let _ = write!(painted, "{}{line}\u{1b}[K", if number > 0 { "\r\n" } else { "" });
    }
    if shown < lines.len() {
        let _ = write!(painted, "\r\n{} more lines\u{1b}[K", lines.len() - shown);
    }
    painted + "\u{1b}[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_screen_is_counted() {
        assert_eq!(painted("a\nb\n", Some(2)), "\u{1b}[Ha\u{1b}[K\r\nb\u{1b}[K\u{1b}[J");
        assert_eq!(painted("a\nb\nc\n", Some(2)), "\u{1b}[Ha\u{1b}[K\r\n2 more lines\u{1b}[K\u{1b}[J");
        assert_eq!(painted("a\n", None), "\u{1b}[Ha\u{1b}[K\u{1b}[J");
    }
}
