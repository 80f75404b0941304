//! Which traces are sampled: a share of them, decided by the trace id alone, so that all samplers of that share decide alike.

use super::TraceId;

/// The bits of a trace id that are random (W3C Trace Context Level 2): the last seven bytes.
const RANDOM: u64 = (1 << 56) - 1;

/// A sampler of a share of traces, by OpenTelemetry's rule: those whose random part is at or above a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    threshold: u64,
}

impl Sampler {
    /// Samples this share, from 0 to 1.
    #[must_use]
    pub fn new(share: f64) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "2^56 is a float, and a cast of a float saturates"
        )]
        let threshold = ((1.0 - share) * (RANDOM + 1) as f64) as u64;
        Self { threshold }
    }

    /// Whether a trace that begins here is sampled.
    #[must_use]
    pub fn samples(self, trace_id: &TraceId) -> bool {
        let [_, last] = trace_id.as_chunks::<8>().0 else { return false };
        u64::from_be_bytes(*last) & RANDOM >= self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_exact() {
        for (share, lowest, highest) in [(0.0, false, false), (1.0, true, true), (0.5, false, true)] {
            let sampler = Sampler::new(share);
            assert_eq!(sampler.samples(&[0; 16]), lowest, "{share}");
            assert_eq!(sampler.samples(&[0xff; 16]), highest, "{share}");
        }
    }

    #[test]
    fn a_share_of_evenly_spread_ids_is_sampled() {
        for (share, expected) in [(0.01, 656), (0.25, 16_384), (0.9, 58_983)] {
            let sampler = Sampler::new(share);
            let ids = (0..=u16::MAX).map(|number| {
                let mut id = [0xff; 16];
                id[9..11].copy_from_slice(&number.to_be_bytes());
                id
            });
            let count = ids.filter(|id| sampler.samples(id)).count();
            assert!(count.abs_diff(expected) <= 1, "{share}: {count}");
        }
    }
}
