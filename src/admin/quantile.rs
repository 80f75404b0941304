//! Quantiles of what a histogram counted between two times.

use crate::observe::metrics::Distribution;

/// The value in seconds that this share of the observations does not exceed, interpolated within its bucket; none without observations.
/// Of observations beyond the last bound only that bound is known.
#[allow(clippy::cast_precision_loss, reason = "no count of a few seconds reaches 2^52")]
pub(super) fn between(before: &Distribution, now: &Distribution, share: f64) -> Option<f64> {
    let earlier = |at: usize| before.buckets.get(at).map_or(0, |(_, count)| *count);
    let all = now.count.saturating_sub(before.count);
    if all == 0 {
        return None;
    }
    let rank = share * all as f64;
    let (mut low, mut below) = (0.0, 0);
    for (at, (bound, count)) in now.buckets.iter().enumerate() {
        let upto = count.saturating_sub(earlier(at));
        if upto as f64 >= rank && upto > below {
            return Some(low + (bound - low) * (rank - below as f64) / (upto - below) as f64);
        }
        (low, below) = (*bound, upto);
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(buckets: &[(f64, u64)], count: u64) -> Distribution {
        Distribution { buckets: buckets.to_vec(), count, sum: 0.0 }
    }

    #[test]
    fn quantiles_are_those_of_the_difference() {
        let bounds = |counts: [u64; 3], all| {
            distribution(&[(0.1, counts[0]), (0.2, counts[1]), (1.0, counts[2])], all)
        };
        let (before, now) = (bounds([100, 100, 100], 100), bounds([100, 150, 200], 200));
        let at = |share| between(&before, &now, share).map(|value| (value * 1000.0).round());
        assert_eq!(at(0.25), Some(150.0));
        assert_eq!(at(0.5), Some(200.0));
        assert_eq!(at(0.75), Some(600.0));
        assert_eq!(between(&now, &now, 0.5), None);
        // Beyond the last bound, and in a new histogram.
        let slow = bounds([0, 0, 0], 4);
        assert_eq!(between(&bounds([0, 0, 0], 0), &slow, 0.5), Some(1.0));
        assert_eq!(between(&Distribution::default(), &bounds([2, 2, 2], 2), 0.5), Some(0.05));
    }
}
