//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

use super::{
    contender::Contender,
    edge::{Edge, Origin},
    rows::Row,
    sample::Sizes,
};

/// Load on the edge, or on the edge and its peers. Prints figures, and asserts none.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Measure only these rows.
    #[arg(long, value_delimiter = ',')]
    pub rows: Vec<Row>,
    /// Measure only these contenders.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Rounds, in each of which every contender has its turn. Many and short, since the speed of a shared machine drifts.
    #[arg(long, default_value_t = 45)]
    pub rounds: usize,
    /// Seconds of measurement per row, contender and round; five times as many in the row at a fixed rate.
    #[arg(long, default_value_t = 0.2)]
    pub seconds: f64,
    /// Connections in the rows that keep them open.
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// Requests per second in the row at a fixed rate.
    #[arg(long, default_value_t = 2000)]
    pub rate: u32,
    /// Idle connections.
    #[arg(long, default_value_t = 10_000)]
    pub idle: usize,
    /// Measure this build of the edge instead of cargo's.
    #[arg(long, value_name = "PROGRAM")]
    pub edge: Option<PathBuf>,
    /// How the edge calls the upstream. Peers always use the default.
    #[arg(long, value_enum, default_value = "plain")]
    pub origin: Origin,
    /// Measure another build of the edge beside it.
    #[arg(long, value_name = "PROGRAM")]
    pub against: Option<PathBuf>,
    /// Write all figures to this file in JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw a chart into this file in SVG.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Run each row for a moment, to see that it works: about five seconds.
    #[arg(long)]
    pub test: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Reads the command line. Exits if it is invalid, and for `--help`.
    pub fn read() -> Self {
        Self::parse().sized()
    }

    /// Uses the sizes of a test if `--test` is given.
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

    /// The rows to be measured, in order.
    pub fn rows(&self) -> Vec<Row> {
        use clap::ValueEnum;
        let all = Row::value_variants().iter().copied();
        all.filter(|row| self.rows.is_empty() || self.rows.contains(row)).collect()
    }

    /// The edge, and the build beside it.
    pub fn edges(&self) -> Vec<Box<dyn Contender>> {
        let mut edges: Vec<Box<dyn Contender>> = vec![Box::new(self.edge())];
        if let Some(program) = &self.against {
            edges.push(Box::new(Edge { program: program.clone(), name: "against", ..self.edge() }));
        }
        edges
    }

    /// The edge to be measured.
    pub fn edge(&self) -> Edge {
        let edge = Edge::default();
        Edge { program: self.edge.clone().unwrap_or(edge.program), origin: self.origin, ..edge }
    }

    /// Whether this contender is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}
