//! The figures, as a table and in JSON.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Value, json};

use super::{honest::Seen, rows::Row};

/// What was measured of one attack on one build.
#[derive(Debug)]
pub struct Figures {
    /// The build's version.
    pub version: String,
    /// What the hostile requests got, with counts.
    pub outcomes: BTreeMap<String, u64>,
    /// CPU time of the edge, without that for the honest client.
    pub cpu: Duration,
    /// The duration of the attack.
    pub time: Duration,
    /// The increase of peak memory over that before the attack, in bytes.
    pub memory: u64,
    /// Bytes of log, without those for the honest client.
    pub log: f64,
    /// Connections that the edge opened to its upstream.
    pub upstream: usize,
    /// What the honest client saw before.
    pub quiet: Seen,
    /// What the honest client saw during the attack.
    pub meanwhile: Seen,
    /// Further observations.
    pub notes: Vec<String>,
    /// What latencies include that is not the edge's.
    pub caveat: Option<&'static str>,
}

#[allow(clippy::cast_precision_loss)]
impl Figures {
    /// The number of hostile requests.
    pub fn requests(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Divides by the number of hostile requests.
    fn each(&self, all: f64) -> f64 {
        all / self.requests().max(1) as f64
    }

    /// Microseconds of CPU per hostile request.
    pub fn cpu_each(&self) -> f64 {
        self.each(self.cpu.as_secs_f64() * 1e6)
    }

    /// Bytes of log per hostile request.
    pub fn log_each(&self) -> f64 {
        self.each(self.log.max(0.0))
    }

    /// The p99 latency of the honest client during the attack, divided by that before.
    pub fn ratio(&self) -> f64 {
        self.meanwhile.p99().as_secs_f64() / self.quiet.p99().as_secs_f64()
    }

    fn json(&self) -> Value {
        let seen = |seen: &Seen| {
            json!({
                "requests": seen.latencies.len(),
                "failed": seen.failed,
                "failure": seen.failure,
                "p99_microseconds": seen.p99().as_secs_f64() * 1e6,
            })
        };
        json!({
            "version": self.version,
            "requests": self.requests(),
            "outcomes": self.outcomes,
            "seconds": self.time.as_secs_f64(),
            "cpu_microseconds_each": self.cpu_each(),
            "memory_bytes": self.memory,
            "log_bytes_each": self.log_each(),
            "upstream_connections": self.upstream,
            "quiet": seen(&self.quiet),
            "meanwhile": seen(&self.meanwhile),
            "ratio": self.ratio(),
            "notes": self.notes,
            "caveat": self.caveat,
        })
    }
}

/// All rows of a run.
#[derive(Debug)]
pub struct Table {
    /// Seconds of measurement, each time.
    pub seconds: f64,
    /// Each attack on each build, with the build's name.
    pub rows: Vec<(Row, &'static str, Figures)>,
}

impl Table {
    /// All figures in JSON.
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|(row, edge, figures)| {
            let mut value = figures.json();
            value["row"] = json!(row.title());
            value["unit"] = json!(row.unit());
            value["edge"] = json!(edge);
            value
        });
        json!({ "seconds": self.seconds, "rows": rows.collect::<Vec<_>>() })
    }
}

const TITLE: usize = 36;
const NAME: usize = 11;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Cost of attacks: one worker, {} seconds without the attack and with it\n",
            self.seconds
        )?;
        writeln!(
            f,
            "{:<TITLE$}{:<NAME$}{:>9}{:>14}{:>11}{:>11}{:>11}{:>12}{:>9}{:>8}{:>9}",
            "attack",
            "edge",
            "requests",
            "CPU each",
            "memory",
            "log each",
            "upstream",
            "quiet p99",
            "p99",
            "ratio",
            "failed"
        )?;
        for (row, edge, figures) in &self.rows {
            let milliseconds = |seen: &Seen| format!("{:.2} ms", seen.p99().as_secs_f64() * 1e3);
            #[allow(clippy::cast_precision_loss)]
            let memory = figures.memory as f64 / 1e6;
            writeln!(
                f,
                "{:<TITLE$}{edge:<NAME$}{:>9}{:>11.0} us{memory:>8.1} MB{:>9.0} B{:>11}{:>12}{:>12}{:>8.2}{:>6}",
                row.title(),
                figures.requests(),
                figures.cpu_each(),
                figures.log_each(),
                figures.upstream,
                milliseconds(&figures.quiet),
                milliseconds(&figures.meanwhile),
                figures.ratio(),
                figures.meanwhile.failed,
            )?;
        }
        writeln!(f)?;
        for (row, edge, figures) in &self.rows {
            let mut notes: Vec<String> =
                figures.outcomes.iter().map(|(outcome, count)| format!("{outcome}: {count}")).collect();
            notes.extend(figures.notes.iter().cloned());
            notes.extend(figures.meanwhile.failure.iter().map(|failure| format!("honest client: {failure}")));
            writeln!(f, "{}, {edge}: {}", row.title(), notes.join("; "))?;
        }
        if let Some(caveat) = self.rows.iter().find_map(|(_, _, figures)| figures.caveat) {
            writeln!(f, "latencies: {caveat}")?;
        }
        Ok(())
    }
}
