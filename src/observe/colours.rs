//! Whether output on a standard stream is coloured.

use std::{env, ffi::OsStr, io::IsTerminal, sync::OnceLock};

/// The choice of the command line's `--color`, unless it is `auto`.
static CHOSEN: OnceLock<bool> = OnceLock::new();

/// Turns colours on or off for both streams, whatever they are connected to.
pub fn choose(always: bool) {
    let _ = CHOSEN.set(always);
}

/// Whether to colour output on `stream`: as chosen on the command line, else if it is a terminal with colours and `NO_COLOR`
/// (<https://no-color.org>) is not set.
#[must_use]
pub fn has_colours(stream: &impl IsTerminal) -> bool {
    CHOSEN.get().copied().unwrap_or_else(|| {
        stream.is_terminal() && allowed(env::var_os("NO_COLOR").as_deref(), env::var_os("TERM").as_deref())
    })
}

fn allowed(no_color: Option<&OsStr>, terminal: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty) && terminal.is_none_or(|terminal| terminal != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_can_turn_colours_off() {
        let allowed = |no_color: Option<&str>, terminal: Option<&str>| {
            super::allowed(no_color.map(OsStr::new), terminal.map(OsStr::new))
        };
        assert!(
            allowed(None, Some("xterm-256color")) && allowed(Some(""), Some("xterm")) && allowed(None, None)
        );
        assert!(
            !allowed(Some("1"), Some("xterm")) && !allowed(Some("0"), None) && !allowed(None, Some("dumb"))
        );
    }
}
