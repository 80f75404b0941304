//! What the command line asks for.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

use super::{
    chart,
    contender::Contender,
    edge::{Edge, Origin},
    rows::Row,
    table::{self, Table},
};

/// Load on the edge, or on the edge and its peers: prints figures, asserts none.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Only these rows.
    #[arg(long, value_delimiter = ',')]
    pub rows: Vec<Row>,
    /// Only these contenders.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Rounds: in each, every contender has its turn. Many short ones, since what a shared machine gives drifts within seconds.
    #[arg(long, default_value_t = 45)]
    pub rounds: usize,
    /// Seconds of measurement for a row, contender and round; five times as many for the row at a fixed rate.
    #[arg(long, default_value_t = 0.2)]
    pub seconds: f64,
    /// Connections of the rows that keep them.
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// Requests in a second of the row at a fixed rate.
    #[arg(long, default_value_t = 2000)]
    pub rate: u32,
    /// Idle connections.
    #[arg(long, default_value_t = 10_000)]
    pub idle: usize,
    /// The build of the edge to be measured, instead of the one that cargo makes for this.
    #[arg(long, value_name = "PROGRAM")]
    pub edge: Option<PathBuf>,
    /// How the edge calls the upstream; peers call it as by default.
    #[arg(long, value_enum, default_value = "plain")]
    pub origin: Origin,
    /// Another build of the edge, to be measured beside it.
    #[arg(long, value_name = "PROGRAM")]
    pub against: Option<PathBuf>,
    /// Writes all figures into this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draws a chart into this file, in SVG.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// A moment for each row, some five seconds in all: to see that it works.
    #[arg(long)]
    pub test: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Of measurement.
    pub time: Duration,
    /// Kept connections.
    pub connections: usize,
    /// Requests in a second.
    pub rate: u32,
    /// Idle connections.
    pub idle: usize,
}

impl Options {
    /// Reads the command line; ends the program where it can't be read, and for `--help`.
    pub fn read() -> Self {
        Self::parse().sized()
    }

    /// With the sizes of a test, if it is one.
    pub fn sized(mut self) -> Self {
        if self.test {
            self.rounds = 1;
            self.seconds = 0.3;
            self.idle = 64;
            self.rate = 200;
        }
        self
    }

    /// The sizes of each row.
    pub fn sizes(&self) -> Sizes {
        let Self { seconds, connections, rate, idle, .. } = *self;
        Sizes { time: Duration::from_secs_f64(seconds), connections, rate, idle }
    }

    /// The rows that are wanted, in order.
    pub fn rows(&self) -> Vec<Row> {
        use clap::ValueEnum;
        let all = Row::value_variants().iter().copied();
        all.filter(|row| self.rows.is_empty() || self.rows.contains(row)).collect()
    }

    /// Writes the files that are asked for.
    pub fn keep(&self, tables: &[Table]) -> Result<(), String> {
        let write = |file: &PathBuf, text: String| {
            std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
        };
        if let Some(file) = &self.json {
            write(file, format!("{:#}\n", table::json(tables)))?;
        }
        if let Some(file) = &self.svg {
            write(file, chart::svg(tables))?;
        }
        Ok(())
    }

    /// The edge, and the build that it is measured against.
    pub fn edges(&self) -> Vec<Box<dyn Contender>> {
        let mut edges: Vec<Box<dyn Contender>> = vec![Box::new(self.edge())];
        if let Some(program) = &self.against {
            edges.push(Box::new(Edge { program: program.clone(), name: "against", ..self.edge() }));
        }
        edges
    }

    /// The edge that is to be measured.
    pub fn edge(&self) -> Edge {
        let edge = Edge::default();
        Edge { program: self.edge.clone().unwrap_or(edge.program), origin: self.origin, ..edge }
    }

    /// Whether this contender is.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}
