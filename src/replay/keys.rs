//! The keys of a store's hashes, which another process can continue.

use std::hash::{BuildHasher, RandomState};

/// Keys of SipHash: of the standard library's random hasher no copy can be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreKeys(pub [u64; 2]);

impl StoreKeys {
    /// Random keys.
    #[must_use]
    pub fn random() -> Self {
        let random = RandomState::new();
        Self([random.hash_one(0), random.hash_one(1)])
    }
}

#[allow(deprecated, reason = "the replacement has no keys that could be handed over")]
impl BuildHasher for StoreKeys {
    type Hasher = std::hash::SipHasher;

    fn build_hasher(&self) -> Self::Hasher {
        let Self([first, second]) = *self;
        std::hash::SipHasher::new_with_keys(first, second)
    }
}
