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

/// Writes the priority before each line. A line without a level has that of the line before it: it belongs to the same report. Where requests
/// are logged in the operator's own format, it may be theirs, and has that of information.
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
        if *IS_JOURNAL {
            Cow::Owned(self.add(lines, super::access_format().is_some()))
        } else {
            Cow::Borrowed(lines)
        }
    }

    /// The same lines, each with its priority.
    fn add(&mut self, lines: &[u8], has_own_format: bool) -> Vec<u8> {
        let mut all = Vec::with_capacity(lines.len() + lines.len() / 32 + 3);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.0 = priority(line).unwrap_or(if has_own_format { Priority::Info } else { self.0 });
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
        None => {
            let (time, level) = line.split_at(line.iter().position(|byte| *byte == b' ')?);
            // What a client sends cannot be in its place.
            time.strip_suffix(b"Z").filter(|time| time.first().is_some_and(u8::is_ascii_digit))?;
            level.trim_ascii_start()
        }
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
        let written = String::from_utf8(priorities.add(lines.as_bytes(), false)).unwrap();
        let all: Vec<&str> = written.lines().map(|line| &line[..3]).collect();
        assert_eq!(all, ["<6>", "<3>", "<4>", "<7>", "<3>", "<3>", "<3>", "<4>", "<4>", "<4>"]);
        let bare: String = written.split_inclusive('\n').map(|line| &line[3..]).collect();
        assert_eq!(bare, lines);
        // The next batch goes on in the middle of a report.
        assert_eq!(priorities.add(b"  |\n", false), b"<4>  |\n");
        assert_eq!(Priorities::default().add(b"INFORMATION\n", false), b"<6>INFORMATION\n");
        assert_eq!(Priorities::default().add(b"a WARNING\n", false), b"<6>a WARNING\n");
    }

    #[test]
    fn a_line_in_an_own_format_has_no_priority_of_others() {
        let mut priorities = Priorities::default();
        let lines = b"2026-11-29T09:30:00Z ERROR failed\n127.0.0.1 ERROR x\n";
        assert_eq!(
            priorities.add(lines, true),
            b"<3>2026-11-29T09:30:00Z ERROR failed\n<6>127.0.0.1 ERROR x\n"
        );
    }
}
