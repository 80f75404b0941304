//! What is measured in one round, and how much.

use std::time::Duration;

use super::outcome::Outcome;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The time of measurement, per row, contender and round.
    pub time: Duration,
    /// Connections that are kept open.
    pub connections: usize,
    /// Requests per second.
    pub rate: u32,
    /// Idle connections.
    pub idle: usize,
}

/// What was measured of one row and contender in one round.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// In the row's unit.
    pub figure: f64,
    /// Operations per second.
    pub rate: f64,
    /// Operations that were measured.
    pub count: u64,
    /// The 50th percentile in microseconds, if the figure is the 99th of latencies.
    pub median: Option<f64>,
    /// Why the figure includes delays that are not the proxy's.
    pub caveat: Option<&'static str>,
}

impl Sample {
    /// A figure that is not a latency.
    pub const fn new(figure: f64, rate: f64, count: u64) -> Self {
        Self { figure, rate, count, median: None, caveat: None }
    }

    /// The percentiles of latencies at a fixed rate.
    ///
    /// # Errors
    ///
    /// No latency at all.
    pub fn of_latencies(
        mut latencies: Vec<Duration>,
        rate: u32,
        caveat: Option<&'static str>,
    ) -> Outcome<Self> {
        latencies.sort_unstable();
        let percentile = |percent: usize| {
            let latency: &Duration =
                latencies.get(latencies.len() * percent / 100).ok_or("no request was answered")?;
            Outcome::Ok(latency.as_secs_f64() * 1e6)
        };
        let (median, p99) = (percentile(50)?, percentile(99)?);
        Ok(Self { median: Some(median), caveat, ..Self::new(p99, f64::from(rate), latencies.len() as u64) })
    }
}
