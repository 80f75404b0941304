//! The PINs that tokens have refused: none is tried twice, since a token locks after a few wrong ones.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

/// The PINs that tokens have refused.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashSet<Refused>>);

/// A hash of a token and a PIN.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Refused([u8; 32]);

impl Refused {
    pub(super) fn new(serial: &str, label: &str, pin: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [serial, label, pin] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl Refusals {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashSet<Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
