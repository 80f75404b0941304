//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use super::{rows::Row, table::Table, target::Target};

/// Hostile requests against the edge, and what an honest client notices. Prints figures, and asserts none.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Measure only these rows.
    #[arg(long, value_delimiter = ',')]
    pub rows: Vec<Row>,
    /// Seconds of measurement without the attack, and again with it.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Requests per second of the honest client, every other one on a new connection.
    #[arg(long, default_value_t = 100)]
    pub rate: u32,
    /// Measure this build of the edge instead of cargo's.
    #[arg(long, value_name = "PROGRAM")]
    pub edge: Option<PathBuf>,
    /// Measure another build of the edge beside it.
    #[arg(long, value_name = "PROGRAM")]
    pub against: Option<PathBuf>,
    /// Write all figures to this file in JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Run each row for a moment, to see that it works.
    #[arg(long)]
    pub test: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Uses the sizes of a test if `--test` is given.
    #[must_use]
    pub fn sized(mut self) -> Self {
        if self.test {
            self.seconds = 0.3;
        }
        self
    }

    /// How long the honest client is measured, each time.
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Idle connections that exhaust the descriptors; few in a test.
    pub fn crowd(&self) -> usize {
        if self.test { 60 } else { 1_200 }
    }

    /// The rows to be measured, in order.
    pub fn rows(&self) -> Vec<Row> {
        let all = Row::value_variants().iter().copied();
        all.filter(|row| self.rows.is_empty() || self.rows.contains(row)).collect()
    }

    /// The builds to be measured.
    pub fn targets(&self) -> Vec<Target> {
        let own = self.edge.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_mtls-edge").into());
        let mut targets = vec![Target { program: own, name: "mtls-edge" }];
        targets.extend(self.against.clone().map(|program| Target { program, name: "against" }));
        targets
    }

    /// Writes the file that the options ask for.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn write_file(&self, table: &Table) -> Result<(), String> {
        let Some(file) = &self.json else { return Ok(()) };
        std::fs::write(file, format!("{:#}\n", table.json()))
            .map_err(|error| format!("{}: {error}", file.display()))
    }
}
