//! The figures, as a table and as JSON.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Value, json};

use super::{honest::Seen, rows::Row};

/// What was measured of one attack on one build.
#[derive(Debug)]
pub struct Figures {
    /// What the build says of its version.
    pub version: String,
    /// What the hostile requests got, and how often.
    pub outcomes: BTreeMap<String, u64>,
    /// CPU of the edge, without what the honest client costs.
    pub cpu: Duration,
    /// How long the attack was.
    pub time: Duration,
    /// How much more memory than before was in use at most, in octets.
    pub memory: u64,
    /// Octets of log, without those of the honest client.
    pub log: f64,
    /// Connections that the edge opened to its upstream.
    pub upstream: usize,
    /// What the honest client saw before.
    pub quiet: Seen,
    /// And what during the attack.
    pub meanwhile: Seen,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// What latencies hold that is not the edge's.
    pub caveat: Option<&'static str>,
}

#[allow(clippy::cast_precision_loss)]
impl Figures {
    /// Hostile requests.
    pub fn requests(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// This much for each of them.
    fn each(&self, all: f64) -> f64 {
        all / self.requests().max(1) as f64
    }

    /// Microseconds of CPU for a hostile request.
    pub fn cpu_each(&self) -> f64 {
        self.each(self.cpu.as_secs_f64() * 1e6)
    }

    /// Octets of log for a hostile request.
    pub fn log_each(&self) -> f64 {
        self.each(self.log.max(0.0))
    }

    /// How many times as long as before the attack an honest request takes, at the 99th percentile.
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
            "memory_octets": self.memory,
            "log_octets_each": self.log_each(),
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
    /// How long the honest client was watched, each time.
    pub seconds: f64,
    /// Each attack on each build, by its name.
    pub rows: Vec<(Row, &'static str, Figures)>,
}

impl Table {
    /// Every figure.
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
            "What strangers can cost: one worker, {} seconds without the attack and with it\n",
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
            let mut told: Vec<String> =
                figures.outcomes.iter().map(|(outcome, count)| format!("{outcome}: {count}")).collect();
            told.extend(figures.notes.iter().cloned());
            told.extend(figures.meanwhile.failure.iter().map(|failure| format!("honest client: {failure}")));
            writeln!(f, "{}, {edge}: {}", row.title(), told.join("; "))?;
        }
        if let Some(caveat) = self.rows.iter().find_map(|(_, _, figures)| figures.caveat) {
            writeln!(f, "latencies: {caveat}")?;
        }
        Ok(())
    }
}
