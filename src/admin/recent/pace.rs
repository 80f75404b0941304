//! How long the upstreams took for the responses of the last minute.

use crate::{
    admin::quantile,
    observe::metrics::{Distribution, Totals},
};

/// An upstream is slow if it takes longer, in seconds, for one of 20 responses.
const SLOW: f64 = 5.0;
/// How many upstreams one sentence names.
const NAMED: usize = 3;

/// How long the responses of one upstream took, in seconds.
pub(super) struct Pace<'a> {
    upstream: &'a str,
    responses: u64,
    p50: f64,
    p95: f64,
    /// The longest time that is measured.
    most: f64,
}

impl Pace<'_> {
    /// Whether clients may not wait for it.
    pub(super) fn is_slow(&self) -> bool {
        self.p95 >= SLOW
    }
}

/// Those that have responded between two totals, the slowest first. A request that ended before its response is not among them.
pub(super) fn of_upstreams<'a>(before: &Totals, now: &'a Totals) -> Vec<Pace<'a>> {
    let pace = |(upstream, total): (&'a String, &'a Distribution)| {
        let nothing = Distribution::default();
        let former = before.upstreams.get(upstream).unwrap_or(&nothing);
        let at = |share| quantile::between(former, total, share);
        let (p50, p95) = (at(0.5)?, at(0.95)?);
        let most = total.buckets.last().map_or(0.0, |(bound, _)| *bound);
        Some(Pace { upstream, responses: total.count.saturating_sub(former.count), p50, p95, most })
    };
    let mut found: Vec<_> = now.upstreams.iter().filter_map(pace).collect();
    found.sort_by(|a, b| b.p95.total_cmp(&a.p95));
    found
}

/// A clause on the slowest of these.
pub(super) fn described(upstreams: &[Pace<'_>]) -> String {
    if upstreams.is_empty() {
        return "no upstream responded in that time".to_owned();
    }
    let of_one = |pace: &Pace<'_>| {
        let shown = |seconds: f64| match seconds {
            seconds if seconds >= pace.most => format!("over {} s", pace.most),
            seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
            seconds => format!("{seconds:.1} s"),
        };
        let (upstream, responses) = (pace.upstream, pace.responses);
        format!(
            "the upstream {upstream:?} took {} (p50) and {} (p95) for {responses} responses",
            shown(pace.p50),
            shown(pace.p95)
        )
    };
    upstreams.iter().take(NAMED).map(of_one).collect::<Vec<_>>().join(", ")
}
