//! Priorities for the journal of systemd: a line on standard error that begins with `<4>` has the priority of a warning (sd-daemon(3)), so
//! that `journalctl -p warning` finds it.

use std::{borrow::Cow, env, io, os::fd::AsFd, sync::LazyLock};

use rustix::fs::fstat;

/// Those of syslog (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Priority {
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

/// Whether standard error is connected to the journal: `JOURNAL_STREAM` names its device and inode (systemd.exec(5)).
static IS_JOURNAL: LazyLock<bool> = LazyLock::new(|| {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    fstat(io::stderr().as_fd()).is_ok_and(|file| stream == format!("{}:{}", file.st_dev, file.st_ino))
});

/// Whole lines as they are written to standard error.
pub(super) fn prioritized(lines: &[u8]) -> Cow<'_, [u8]> {
    Priorities::default().of(lines)
}

/// Writes the priority before each line. A line without a level has that of the line before it: it belongs to the same report.
#[derive(Debug)]
pub(super) struct Priorities(Priority);

impl Default for Priorities {
    fn default() -> Self {
        Self(Priority::Info)
    }
}

impl Priorities {
    /// Whole lines as they are written to standard error, after those that were written before.
    pub(super) fn of<'a>(&mut self, lines: &'a [u8]) -> Cow<'a, [u8]> {
        if *IS_JOURNAL { Cow::Owned(self.add(lines)) } else { Cow::Borrowed(lines) }
    }

    /// The same lines, each with its priority.
    fn add(&mut self, lines: &[u8]) -> Vec<u8> {
        let mut all = Vec::with_capacity(lines.len() + lines.len() / 32 + 3);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.0 = priority(line).unwrap_or(self.0);
            all.extend_from_slice(format!("<{}>", self.0 as u8).as_bytes());
            all.extend_from_slice(line);
        }
        all
    }
}

/// The priority of a line: JSON has its level as the second member, text after the time; `check` begins a problem with its severity.
fn priority(line: &[u8]) -> Option<Priority> {
    let level = match line.strip_prefix(b"{") {
        Some(json) => json.splitn(3, |byte| *byte == b',').nth(1)?.strip_prefix(b"\"level\":\"")?,
        None if line.starts_with(b"error: ") => b"ERROR",
        None if line.starts_with(b"warning: ") => b"WARN ",
        None => line.splitn(2, |byte| *byte == b' ').nth(1)?.trim_ascii_start(),
    };
    let is = |name: &str| {
        let rest = level.strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| rest.first().is_none_or(|byte| matches!(byte, b' ' | b'"')))
    };
    [
        ("ERROR", Priority::Error),
        ("WARN", Priority::Warning),
        ("INFO", Priority::Info),
        ("DEBUG", Priority::Debug),
        ("TRACE", Priority::Debug),
    ]
    .into_iter()
    .find_map(|(name, priority)| is(name).then_some(priority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_the_priority_of_its_level() {
        let lines = "2026-11-28T18:47:24.1Z  INFO mtls_edge: started\n\
            2026-11-28T18:47:24.1Z ERROR mtls_edge: reload rejected WARN\n\
            {\"timestamp\":\"2026-11-28T18:47:24.1Z\",\"level\":\"WARN\",\"message\":\"a,b\"}\n\
            2026-11-28T18:47:24.1Z DEBUG x\n\
            error: domain.name: missing\n  --> edge.toml:1:1\n\nwarning: trust: x\n  = help: y\n1 error\n";
        let mut priorities = Priorities::default();
        let written = String::from_utf8(priorities.add(lines.as_bytes())).unwrap();
        let all: Vec<&str> = written.lines().map(|line| &line[..3]).collect();
        assert_eq!(all, ["<6>", "<3>", "<4>", "<7>", "<3>", "<3>", "<3>", "<4>", "<4>", "<4>"]);
        let bare: String = written.split_inclusive('\n').map(|line| &line[3..]).collect();
        assert_eq!(bare, lines);
        // The next batch goes on in the middle of a report.
        assert_eq!(priorities.add(b"  |\n"), b"<4>  |\n");
        assert_eq!(Priorities::default().add(b"INFORMATION\n"), b"<6>INFORMATION\n");
        assert_eq!(Priorities::default().add(b"a WARNING\n"), b"<6>a WARNING\n");
    }
}
