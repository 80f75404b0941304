//! What the command line asks for.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use super::{rows::Row, table::Table, target::Target};

/// Hostile requests against the edge, and what an honest client notices: prints figures, asserts none.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Only these rows.
    #[arg(long, value_delimiter = ',')]
    pub rows: Vec<Row>,
    /// Seconds without the attack, and again with it.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Requests of the honest client in a second, every second one on a new connection.
    #[arg(long, default_value_t = 100)]
    pub rate: u32,
    /// The build of the edge to be measured, instead of the one that cargo makes for this.
    #[arg(long, value_name = "PROGRAM")]
    pub edge: Option<PathBuf>,
    /// Another build of the edge, to be measured beside it.
    #[arg(long, value_name = "PROGRAM")]
    pub against: Option<PathBuf>,
    /// Writes all figures into this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// A moment for each row: to see that it works.
    #[arg(long)]
    pub test: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// With the sizes of a test, if it is one.
    #[must_use]
    pub fn sized(mut self) -> Self {
        if self.test {
            self.seconds = 0.3;
        }
        self
    }

    /// How long the honest client is watched, each time.
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Idle connections that take all descriptors; a few, if it is a test.
    pub fn crowd(&self) -> usize {
        if self.test { 60 } else { 1_200 }
    }

    /// The rows that are wanted, in order.
    pub fn rows(&self) -> Vec<Row> {
        let all = Row::value_variants().iter().copied();
        all.filter(|row| self.rows.is_empty() || self.rows.contains(row)).collect()
    }

    /// The builds that are measured.
    pub fn targets(&self) -> Vec<Target> {
        let own = self.edge.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_mtls-edge").into());
        let mut targets = vec![Target { program: own, name: "mtls-edge" }];
        targets.extend(self.against.clone().map(|program| Target { program, name: "against" }));
        targets
    }

    /// Writes the file that is asked for.
    ///
    /// # Errors
    ///
    /// A file that can't be written.
    pub fn keep(&self, table: &Table) -> Result<(), String> {
        let Some(file) = &self.json else { return Ok(()) };
        std::fs::write(file, format!("{:#}\n", table.json()))
            .map_err(|error| format!("{}: {error}", file.display()))
    }
}
