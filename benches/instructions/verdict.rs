//! Counts compared with their record, and the report.

use std::{fmt, path::PathBuf};

/// In percent. A count that differs by more must be recorded again.
const TOLERANCE: u64 = 5;

/// The command that records the counts.
pub const RECORD: &str = "cargo bench --locked --bench instructions -- --record";

/// A count compared with its record.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// There is no record.
    New,
    /// Count and record.
    Known { count: u64, recorded: u64 },
}

impl Verdict {
    /// Compares a count with its record.
    pub fn of(count: u64, recorded: Option<u64>) -> Self {
        recorded.map_or(Self::New, |recorded| Self::Known { count, recorded })
    }

    fn is_better(self) -> bool {
        matches!(self, Self::Known { count, recorded } if count * 100 < recorded * (100 - TOLERANCE))
    }

    fn is_worse(self) -> bool {
        match self {
            Self::New => true,
            Self::Known { count, recorded } => count * 100 > recorded * (100 + TOLERANCE),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Known { count, recorded } = *self else { return f.write_str("not recorded") };
        #[allow(clippy::cast_precision_loss)]
        let change = count as f64 / recorded as f64 - 1.0;
        write!(f, "recorded {recorded}, {:+.1} %", 100.0 * change)
    }
}

/// One scenario's count.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The scenario's title.
    pub title: &'static str,
    /// Instructions per operation.
    pub count: u64,
    /// The count's verdict.
    pub verdict: Verdict,
    /// The callgrind profile, which has the counts per function.
    pub profile: PathBuf,
}

/// The verdict on all counts.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Lines for the log.
    pub lines: Vec<String>,
    /// Whether a count is too far over its record.
    pub fails: bool,
}

impl Report {
    /// Reports these findings. Counts by tools other than the record's are not comparable, and cannot fail.
    pub fn of(findings: &[Finding], other_tools: &[String]) -> Self {
        let is_worse = findings.iter().any(|finding| finding.verdict.is_worse());
        let is_better = findings.iter().any(|finding| finding.verdict.is_better());
        let fails = other_tools.is_empty() && is_worse;
        let mut lines = Vec::new();
        if !other_tools.is_empty() {
            lines.push(format!(
                "note: nothing is compared, since other tools made the record; to record again: {RECORD}"
            ));
            lines.extend(other_tools.iter().map(|tool| format!("  {tool}")));
        } else if is_worse {
            lines.push("error: an operation takes over 5 % more instructions than recorded".to_owned());
        } else if is_better {
            lines.push(format!(
                "note: over 5 % fewer instructions than recorded; to record the gain:\n  {RECORD}"
            ));
        }
        for Finding { title, count, verdict, profile } in findings {
            if verdict.is_worse() || verdict.is_better() {
                lines.push(format!("  {title}: found {count}, {verdict}"));
            }
            if verdict.is_worse() {
                lines.push(format!("    callgrind_annotate --inclusive=yes {}", profile.display()));
            }
        }
        if fails {
            lines.push(format!(
                "to accept it, run this, and commit benches/instructions.toml with the reason:\n  {RECORD}"
            ));
        }
        Self { lines, fails }
    }
}
