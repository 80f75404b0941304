//! The traffic of the last ten minutes: one sample every five seconds, in a ring of fixed size.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{State, quantile};
use crate::observe::metrics::{Outcome, RefusalCode, Totals};

/// The time of one sample.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// The most samples.
const SAMPLES: usize = 120;
/// The shortest time from which a rate is computed.
const SHORTEST: Duration = Duration::from_millis(500);

/// The samples, oldest first.
#[derive(Debug, Default)]
pub struct History(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    /// When the last sample ended, and the totals at that time.
    last: Option<(Instant, Totals)>,
    samples: VecDeque<Sample>,
}

/// What happened between two times. Rates are per second.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    /// By [`Outcome`].
    pub(super) requests: Vec<f64>,
    /// By [`RefusalCode`].
    refusals: Vec<f64>,
    /// In milliseconds; none without requests.
    pub(super) p50: Option<f64>,
    /// In milliseconds; none without requests.
    pub(super) p99: Option<f64>,
    /// Open at its end.
    pub(super) connections: usize,
}

/// The samples by what they measure, for charts.
#[derive(Debug, Serialize)]
pub(super) struct Series {
    interval_seconds: u64,
    /// The length of the last sample, which has not ended.
    last_seconds: f64,
    /// Per second, by outcome.
    requests: Vec<Named>,
    /// Per second, by reason: those that occurred, the most frequent first.
    refusals: Vec<Named>,
    p50_milliseconds: Vec<Option<f64>>,
    p99_milliseconds: Vec<Option<f64>>,
    connections: Vec<usize>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: &'static str,
    values: Vec<f64>,
}

/// Takes a sample every five seconds.
pub(super) async fn record(state: &State) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        let totals = state.metrics.totals();
        let clock = state.clock.now();
        state.latest(clock);
        state.recent.add(now, totals.clone(), clock);
        state.history.add(now, totals);
    }
}

impl History {
    fn add(&self, now: Instant, totals: Totals) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((sample, _)) = ring.since_the_last(now, &totals) {
            if ring.samples.len() == SAMPLES {
                ring.samples.pop_front();
            }
            ring.samples.push_back(sample);
        }
        // The first sample may come after the first traffic. At the start there was none.
        let totals = if ring.last.is_none() { Totals::default() } else { totals };
        ring.last = Some((now, totals));
    }

    /// The samples, and the length of the last one, which is not complete.
    pub(super) fn samples(&self, now: Instant, totals: &Totals) -> (Vec<Sample>, Duration) {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut samples: Vec<Sample> = ring.samples.iter().cloned().collect();
        let mut length = INTERVAL;
        if let Some((sample, since)) = ring.since_the_last(now, totals) {
            samples.push(sample);
            length = since;
        }
        (samples, length)
    }

    /// The samples for charts.
    pub(super) fn series(&self, now: Instant, totals: &Totals) -> Series {
        let (samples, last) = self.samples(now, totals);
        let named = |names: &[&'static str], rates: fn(&Sample) -> &[f64]| -> Vec<Named> {
            let values = |at: usize| {
                samples.iter().map(|sample| rates(sample).get(at).copied().unwrap_or_default()).collect()
            };
            names.iter().enumerate().map(|(at, name)| Named { name, values: values(at) }).collect()
        };
        let mut refusals = named(RefusalCode::VALUES, |sample| &sample.refusals);
        refusals.retain(|reason| reason.values.iter().any(|rate| *rate > 0.0));
        refusals.sort_by(|a, b| b.values.iter().sum::<f64>().total_cmp(&a.values.iter().sum()));
        Series {
            interval_seconds: INTERVAL.as_secs(),
            last_seconds: rounded(last.as_secs_f64()),
            requests: named(Outcome::VALUES, |sample| &sample.requests),
            refusals,
            p50_milliseconds: samples.iter().map(|sample| sample.p50).collect(),
            p99_milliseconds: samples.iter().map(|sample| sample.p99).collect(),
            connections: samples.iter().map(|sample| sample.connections).collect(),
        }
    }
}

impl Ring {
    /// The sample since the last one, and its length; none if it is too short.
    fn since_the_last(&self, now: Instant, totals: &Totals) -> Option<(Sample, Duration)> {
        let (then, before) = self.last.as_ref()?;
        let length = now.saturating_duration_since(*then);
        if length < SHORTEST {
            return None;
        }
        let rates = |before: &[u64], now: &[u64]| {
            let earlier = before.iter().copied().chain(std::iter::repeat(0));
            now.iter().zip(earlier).map(|(now, before)| rate(now.saturating_sub(before), length)).collect()
        };
        let quantile = |share| {
            quantile::between(&before.durations, &totals.durations, share)
                .map(|seconds| rounded(seconds * 1000.0))
        };
        let sample = Sample {
            requests: rates(&before.requests, &totals.requests),
            refusals: rates(&before.refusals, &totals.refusals),
            p50: quantile(0.5),
            p99: quantile(0.99),
            connections: totals.connections,
        };
        Some((sample, length))
    }
}

/// So many in this time, per second.
#[allow(clippy::cast_precision_loss, reason = "no count of a few seconds reaches 2^52")]
fn rate(count: u64, length: Duration) -> f64 {
    rounded(count as f64 / length.as_secs_f64())
}

/// With two decimals.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::Distribution;

    fn totals(forwarded: u64, refused: u64) -> Totals {
        let durations =
            Distribution { buckets: vec![(0.01, forwarded), (0.1, forwarded)], count: forwarded, sum: 0.0 };
        let (requests, refusals) = (vec![forwarded, 0, 0, 0], vec![0, refused]);
        Totals { requests, refusals, durations, connections: 7, ..Totals::default() }
    }

    #[test]
    fn the_ring_keeps_ten_minutes_and_what_came_since() {
        let (history, start) = (History::default(), Instant::now());
        for tick in 0..200 {
            history.add(start + INTERVAL * tick, totals(u64::from(tick) * 50, 0));
        }
        let now = start + INTERVAL * 199 + Duration::from_secs(2);
        let (samples, last) = history.samples(now, &totals(199 * 50 + 8, 3));
        assert_eq!((samples.len(), last), (SAMPLES + 1, Duration::from_secs(2)));
        assert!(samples[..SAMPLES].iter().all(|sample| sample.requests[0].to_bits() == 10_f64.to_bits()));
        let partial = &samples[SAMPLES];
        assert_eq!((partial.requests[0], partial.refusals[1], partial.connections), (4.0, 1.5, 7));
        assert_eq!((partial.p50, partial.p99), (Some(5.0), Some(9.9)));
        // Too short for a rate.
        let (samples, last) = history.samples(start + INTERVAL * 199, &totals(199 * 50, 0));
        assert_eq!((samples.len(), last), (SAMPLES, INTERVAL));
    }

    #[test]
    fn only_refusals_that_occurred_are_named() {
        let (history, start) = (History::default(), Instant::now());
        history.add(start, totals(0, 0));
        let series = history.series(start + INTERVAL, &totals(0, 5));
        let json = serde_json::to_value(&series).unwrap();
        assert_eq!(
            json["refusals"],
            serde_json::json!([{ "name": RefusalCode::VALUES[1], "values": [1.0] }])
        );
        assert_eq!(json["requests"][0], serde_json::json!({ "name": "forwarded", "values": [0.0] }));
        assert_eq!(json["p99_milliseconds"], serde_json::json!([null]));
    }
}
