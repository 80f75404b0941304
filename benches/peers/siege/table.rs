//! The figures, as a table and in JSON.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Value, json};

use super::{Attack, Sizes};
use crate::{
    harness::outcome::Outcome,
    honest::{Seen, p99},
};

/// What was measured of one attack on one contender.
#[derive(Debug)]
pub struct Figures {
    /// What the honest client saw before.
    pub quiet: Seen,
    /// What the honest client saw during the attack.
    pub meanwhile: Seen,
    /// The duration of the attack.
    pub time: Duration,
    /// What the attackers' connections got, with counts.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Memory in bytes: before, at its peak, and after.
    pub memory: [u64; 3],
    /// When memory was back to within 10 % of that before; none if it was not.
    pub recovered: Option<Duration>,
    /// What latencies include that is not the contender's.
    pub caveat: Option<&'static str>,
}

impl Figures {
    fn json(&self) -> Value {
        let seen = |seen: &Seen| {
            json!({
                "requests": seen.latencies.len(),
                "failed": seen.failed,
                "failure": seen.failure,
                "p99_kept_milliseconds": milliseconds(&seen.on_kept),
                "p99_new_milliseconds": milliseconds(&seen.on_new),
            })
        };
        json!({
            "quiet": seen(&self.quiet),
            "meanwhile": seen(&self.meanwhile),
            "seconds": self.time.as_secs_f64(),
            "outcomes": self.outcomes,
            "memory_bytes": self.memory,
            "recovered_seconds": self.recovered.map(|time| time.as_secs_f64()),
            "caveat": self.caveat,
        })
    }
}

fn milliseconds(latencies: &[Duration]) -> f64 {
    p99(latencies).as_secs_f64() * 1e3
}

/// All rows of a run.
#[derive(Debug)]
pub struct Table {
    /// The sizes of the run.
    pub sizes: Sizes,
    /// The version of each contender.
    pub versions: Vec<String>,
    /// Each attack on each contender, with its name.
    pub rows: Vec<(Attack, &'static str, Figures)>,
}

impl Table {
    /// Checks that no attack on the edge failed a request of the honest client, however slow the machine is.
    ///
    /// # Errors
    ///
    /// The attack and the first failure.
    pub fn check(&self) -> Outcome<()> {
        let failed = |(_, contender, figures): &&(Attack, &str, Figures)| {
            *contender == EDGE && figures.quiet.failed + figures.meanwhile.failed > 0
        };
        let Some((attack, _, Figures { quiet, meanwhile, .. })) = self.rows.iter().find(failed) else {
            return Ok(());
        };
        let why = meanwhile.failure.as_ref().or(quiet.failure.as_ref()).map_or("", String::as_str);
        Err(format!("{}: {} requests of the honest client failed: {why}", attack.title(), meanwhile.failed))
    }

    /// All figures in JSON.
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|(attack, contender, figures)| {
            let mut value = figures.json();
            value["attack"] = json!(attack.title());
            value["contender"] = json!(contender);
            value
        });
        json!({ "versions": self.versions, "idle": self.sizes.idle, "rows": rows.collect::<Vec<_>>() })
    }
}

/// The name of the edge among the contenders.
const EDGE: &str = "mtls-edge";
const TITLE: usize = 30;
const NAME: usize = 11;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sizes { time, rate, idle } = self.sizes;
        writeln!(
            f,
            "Under siege: one worker each, {time:?} without the attack, and with it; {idle} idle connections"
        )?;
        writeln!(
            f,
            "p99 of an honest client with {rate} requests a second, half of them on new connections\n"
        )?;
        writeln!(
            f,
            "{:<TITLE$}{:<NAME$}{:>10}{:>10}{:>7}{:>10}{:>10}{:>7}{:>8}{:>9}{:>9}{:>9}{:>10}",
            "attack",
            "contender",
            "kept",
            "attacked",
            "ratio",
            "new",
            "attacked",
            "ratio",
            "failed",
            "memory",
            "peak",
            "after",
            "near after"
        )?;
        for (attack, contender, figures) in &self.rows {
            write!(f, "{:<TITLE$}{contender:<NAME$}", attack.title())?;
            for (quiet, meanwhile) in [
                (&figures.quiet.on_kept, &figures.meanwhile.on_kept),
                (&figures.quiet.on_new, &figures.meanwhile.on_new),
            ] {
                let (quiet, meanwhile) = (milliseconds(quiet), milliseconds(meanwhile));
                write!(f, "{quiet:>7.2} ms{meanwhile:>7.2} ms{:>7.1}", meanwhile / quiet)?;
            }
            write!(f, "{:>8}", figures.meanwhile.failed)?;
            for bytes in figures.memory {
                #[allow(clippy::cast_precision_loss)]
                let megabytes = bytes as f64 / 1e6;
                write!(f, "{megabytes:>6.1} MB")?;
            }
            let recovered =
                figures.recovered.map_or("never".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
            writeln!(f, "{recovered:>10}")?;
        }
        writeln!(f)?;
        for (attack, contender, figures) in &self.rows {
            let mut notes: Vec<String> =
                figures.outcomes.iter().map(|(outcome, count)| format!("{outcome}: {count}")).collect();
            notes.push(format!("in {:.1} s", figures.time.as_secs_f64()));
            notes.extend(figures.meanwhile.failure.iter().map(|failure| format!("honest client: {failure}")));
            writeln!(f, "{}, {contender}: {}", attack.title(), notes.join("; "))?;
        }
        writeln!(f, "{}", self.versions.join(", "))?;
        if let Some(caveat) = self.rows.iter().find_map(|(_, _, figures)| figures.caveat) {
            writeln!(f, "latencies: {caveat}")?;
        }
        Ok(())
    }
}
