//! What counts are to their record, and what is to be said of them.

use std::{fmt, path::PathBuf};

/// In percent. Beyond this, up or down, a count must be recorded anew.
const TOLERANCE: u64 = 5;

/// Accepts the counts that it finds.
pub const RECORD: &str = "cargo bench --locked --bench instructions -- --record";

/// What a count is to its record.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// There is no record.
    New,
    /// Both.
    Known { count: u64, recorded: u64 },
}

impl Verdict {
    /// Of a count and of what is recorded.
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
    /// The scenario's.
    pub title: &'static str,
    /// Instructions for one operation.
    pub count: u64,
    /// Of the count.
    pub verdict: Verdict,
    /// Where callgrind says which functions take them.
    pub profile: PathBuf,
}

/// What became of all counts.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// For whoever reads the log.
    pub lines: Vec<String>,
    /// Whether a count is over its record, which must not pass.
    pub fails: bool,
}

impl Report {
    /// Of these findings. Counts that other tools made than the record's can't fail: they aren't comparable.
    pub fn of(findings: &[Finding], other_tools: &[String]) -> Self {
        let is_worse = findings.iter().any(|finding| finding.verdict.is_worse());
        let is_better = findings.iter().any(|finding| finding.verdict.is_better());
        let fails = other_tools.is_empty() && is_worse;
        let mut lines = Vec::new();
        if !other_tools.is_empty() {
            lines.push(format!(
                "note: nothing is judged, since the record was made by other tools; record anew: {RECORD}"
            ));
            lines.extend(other_tools.iter().map(|tool| format!("  {tool}")));
        } else if is_worse {
            lines.push(
                "error: the way of a request takes more instructions than are recorded, by more than 5 %"
                    .to_owned(),
            );
        } else if is_better {
            lines.push(format!(
                "note: fewer instructions than are recorded, by more than 5 %; record it, so that it stays so:\n  {RECORD}"
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
                "to accept it, commit benches/instructions.toml as this writes it, and say why it is worth it:\n  {RECORD}"
            ));
        }
        Self { lines, fails }
    }
}
