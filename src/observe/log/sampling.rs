//! Which successful requests are logged: a share of them, decided by the request's id alone, so that all edges that a request passes decide alike.

use std::sync::OnceLock;

/// The share of successes that is logged.
#[derive(Debug)]
struct Sampling {
    /// Requests whose hash is below it are logged.
    below: u64,
    /// The share as a number in JSON.
    share: String,
}

/// Set once per process; none if every request is logged.
static SAMPLING: OnceLock<Option<Sampling>> = OnceLock::new();

/// Logs this share of successes, from 0 to 1.
pub(super) fn set(share: f64) {
    let _ = SAMPLING.set(Sampling::of(share));
}

impl Sampling {
    fn of(share: f64) -> Option<Self> {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of all hashes; a cast of a float saturates"
        )]
        let below = (share * u64::MAX as f64) as u64;
        (share < 1.0).then(|| Self { below, share: share.to_string() })
    }

    fn has(&self, id: &[u8]) -> bool {
        hash(id) < self.below
    }
}

/// A success by its request id: whether it is logged, and the share to log with it; without a share, every request is logged.
pub(crate) fn sample(id: &[u8]) -> (bool, Option<&'static str>) {
    match SAMPLING.get() {
        Some(Some(sampling)) => (sampling.has(id), Some(&sampling.share)),
        _ => (true, None),
    }
}

/// FNV-1a, and the finalizer of MurmurHash3, since ids of other programs may differ in their last characters only. Every edge computes the
/// same. It does not resist a sender who chooses ids; ids are taken from trusted proxies only.
fn hash(id: &[u8]) -> u64 {
    let mut hash = id.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_similar_ids_is_logged() {
        for (share, expected) in [(0.0, 0), (0.1, 1_000), (0.5, 5_000), (0.999, 9_990)] {
            let sampling = Sampling::of(share).unwrap();
            let ids = (0..10_000).map(|number| format!("edge-7-{number:06}"));
            let logged = ids.filter(|id| sampling.has(id.as_bytes())).count();
            assert!(logged.abs_diff(expected) <= 200, "{share}: {logged}");
        }
        assert!(Sampling::of(1.0).is_none());
    }

    #[test]
    fn every_edge_decides_alike() {
        assert_eq!(hash(b"9f1c6b0e4a5d4c7f8b3a2d1e0f9c8b7a"), hash(b"9f1c6b0e4a5d4c7f8b3a2d1e0f9c8b7a"));
        // A value that a later version must not change.
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
    }
}
