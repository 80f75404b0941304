//! The used `jti` values that all workers share.

use std::sync::Arc;

use crate::{clock::Timestamp, replay::ReplayStore};

/// The used `jti` values that all workers share.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Of assertions.
    pub replay: Arc<ReplayStore>,
    /// Of DPoP proofs: apart, so that the holders of tokens cannot fill the store of assertions.
    pub proofs: Arc<ReplayStore>,
}

impl Stores {
    /// Empty stores of a process that starts at this time.
    #[must_use]
    pub fn new(started: Timestamp) -> Self {
        let store = || Arc::new(ReplayStore::new(started));
        Self { replay: store(), proofs: store() }
    }
}
