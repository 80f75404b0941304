//! The bound on the work that a file's password costs.

use std::num::NonZeroU32;

use super::{PbeError, limits::MAX_ITERATIONS};

/// What the key derivations of one file may still cost, in iterations of a hash.
pub(super) struct Work(u64);

impl Default for Work {
    fn default() -> Self {
        Self(MAX_ITERATIONS)
    }
}

impl Work {
    /// Takes the iterations of a derivation, for each block of its output.
    ///
    /// # Errors
    ///
    /// If they are more than what is left.
    pub(super) fn take(&mut self, iterations: u64, blocks: usize) -> Result<NonZeroU32, PbeError> {
        let cost = u64::try_from(blocks).ok().and_then(|blocks| blocks.checked_mul(iterations));
        self.0 = cost.and_then(|cost| self.0.checked_sub(cost)).ok_or(PbeError::TooMuchWork)?;
        let iterations = u32::try_from(iterations).map_err(|_| PbeError::TooMuchWork)?;
        NonZeroU32::new(iterations).ok_or(PbeError::Malformed)
    }
}
