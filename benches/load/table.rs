//! The figures, as a table and in JSON.

use std::fmt;

use serde_json::{Value, json};

use super::{
    contender::Contender,
    outcome::Outcome,
    rows::{Row, Unit},
    sample::Sample,
};

/// What was measured of one row.
#[derive(Debug)]
pub struct Measured {
    /// The row.
    pub row: Row,
    /// The rustls baseline, if the row has one.
    pub baseline: Option<f64>,
    /// Index of the first peer, which come after the builds of the edge; without peers, of the first other build.
    first_rival: usize,
    cells: Vec<Result<Vec<Sample>, String>>,
}

impl Measured {
    /// A row without samples.
    pub fn new(row: Row, baseline: Option<f64>, contenders: &[&dyn Contender]) -> Self {
        let first_rival = contenders.iter().position(|contender| contender.is_peer()).unwrap_or(1);
        Self { row, baseline, first_rival, cells: vec![Ok(Vec::new()); contenders.len()] }
    }

    /// Adds one round of a contender.
    pub fn add(&mut self, contender: usize, outcome: Outcome<Sample>) {
        match (&mut self.cells[contender], outcome) {
            (Ok(samples), Ok(sample)) => samples.push(sample),
            (cell, Err(error)) => *cell = Err(error),
            (Err(_), Ok(_)) => {}
        }
    }

    /// Whether a round of this contender has failed: further rounds would fail too.
    pub fn has_failed(&self, contender: usize) -> bool {
        self.cells[contender].is_err()
    }

    /// A contender's figure in the row's unit: the CPU time of all rounds per operation, or the median of the rounds for memory and
    /// latencies.
    pub fn figure(&self, contender: usize) -> Option<f64> {
        if self.row.unit() != Unit::Microseconds {
            return self.median(contender, |sample| Some(sample.figure));
        }
        let samples = self.cells[contender].as_ref().ok()?;
        #[allow(clippy::cast_precision_loss)]
        let count = |sample: &Sample| sample.count as f64;
        let cpu: f64 = samples.iter().map(|sample| sample.figure * count(sample)).sum();
        (!samples.is_empty()).then(|| cpu / samples.iter().map(count).sum::<f64>())
    }

    /// The median of a contender's operations per second.
    pub fn rate(&self, contender: usize) -> Option<f64> {
        self.median(contender, |sample| Some(sample.rate))
    }

    /// The median of a contender's p50 latencies, in microseconds; none in other rows.
    pub fn p50_latency(&self, contender: usize) -> Option<f64> {
        self.median(contender, |sample| sample.median)
    }

    /// What some of its figures include that is not the proxy's.
    pub fn caveat(&self) -> Option<&'static str> {
        self.cells.iter().flatten().flatten().find_map(|sample| sample.caveat)
    }

    fn median(&self, contender: usize, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let mut all: Vec<f64> = self.cells[contender].as_ref().ok()?.iter().filter_map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    }

    /// The first contender's figure over that of the best peer; where there are none, of the best other build.
    pub fn ratio(&self) -> Option<f64> {
        let others = (self.first_rival..self.cells.len()).filter_map(|index| self.figure(index));
        Some(self.figure(0)? / others.min_by(f64::total_cmp)?)
    }
}

/// All rows of a run.
#[derive(Debug)]
pub struct Table {
    /// What is compared.
    pub title: String,
    /// Names and versions.
    pub contenders: Vec<(&'static str, String)>,
    /// The rows in order.
    pub rows: Vec<Measured>,
}

const TITLE: usize = 48;
const WIDTH: usize = 17;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let names: Vec<&str> = self.contenders.iter().map(|(_, version)| version.as_str()).collect();
        writeln!(f, "{}\n", names.join(" · "))?;
        write!(f, "{:<TITLE$}", "CPU of the proxy per operation")?;
        for (name, _) in &self.contenders {
            write!(f, "{name:>WIDTH$}")?;
        }
        writeln!(f, "{:>WIDTH$}{:>WIDTH$}", "vs. best peer", "rustls baseline")?;
        for row in &self.rows {
            write!(f, "{:<TITLE$}", row.row.title())?;
            for index in 0..self.contenders.len() {
                write!(f, "{:>WIDTH$}", shown(row.figure(index), row.row))?;
            }
            let ratio = row.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            writeln!(f, "{ratio:>WIDTH$}{:>WIDTH$}", shown(row.baseline, row.row))?;
        }
        // What the clients reached. They and the upstream have a core of their own, or share the cores with several workers.
        for row in self.rows.iter().filter(|row| row.row.unit() == Unit::Microseconds) {
            write!(f, "{:<TITLE$}", format!("{}, per second", row.row.title()))?;
            for index in 0..self.contenders.len() {
                let rate = row.rate(index).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"));
                write!(f, "{rate:>WIDTH$}")?;
            }
            writeln!(f)?;
        }
        for row in self.rows.iter().filter(|row| row.row.unit() == Unit::Latency) {
            write!(f, "{:<TITLE$}", "p50 latency at the same rate")?;
            for index in 0..self.contenders.len() {
                write!(f, "{:>WIDTH$}", shown(row.p50_latency(index), row.row))?;
            }
            writeln!(f)?;
            if let Some(caveat) = row.caveat() {
                writeln!(f, "{}: {caveat}", row.row.title())?;
            }
        }
        for row in &self.rows {
            for (cell, (name, _)) in row.cells.iter().zip(&self.contenders) {
                if let Err(error) = cell {
                    writeln!(f, "{}: {name}: {error}", row.row.title())?;
                }
            }
        }
        Ok(())
    }
}

fn shown(figure: Option<f64>, row: Row) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.1} {}", row.unit().suffix()))
}

impl Table {
    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let cells = row.cells.iter().enumerate().map(|(index, cell)| {
                let cell = match cell {
                    Err(error) => json!({ "error": error }),
                    Ok(samples) => json!({
                        "figure": row.figure(index),
                        "p50_latency": row.p50_latency(index),
                        "operations_per_second": row.rate(index),
                        "rounds": samples.iter().map(|sample| sample.figure).collect::<Vec<_>>(),
                        "operations": samples.iter().map(|sample| sample.count).sum::<u64>(),
                    }),
                };
                (self.contenders[index].0.to_owned(), cell)
            });
            json!({
                "row": row.row.title(),
                "unit": row.row.unit().suffix(),
                "vs_best_peer": row.ratio(),
                "caveat": row.caveat(),
                "rustls_baseline": row.baseline,
                "contenders": cells.collect::<serde_json::Map<_, _>>(),
            })
        });
        let versions = self.contenders.iter().map(|(name, version)| ((*name).to_owned(), json!(version)));
        json!({
            "title": self.title,
            "versions": versions.collect::<serde_json::Map<_, _>>(),
            "rows": rows.collect::<Vec<_>>(),
        })
    }
}

/// All samples of these tables, in JSON.
pub fn json(tables: &[Table]) -> Value {
    json!({ "tables": tables.iter().map(Table::json).collect::<Vec<_>>() })
}
