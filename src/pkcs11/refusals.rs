//! The PINs that tokens have refused, none of which is tried twice, since a token locks after a few wrong ones; and those by which the
//! process is logged in.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use sha2::{Digest, Sha256};

/// Whether a token has refused a PIN of this process.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Whether a token has refused a PIN of this process. Another process that tries it again may lock the token.
#[must_use]
pub fn was_pin_refused() -> bool {
    REFUSED.load(Relaxed)
}

/// What is known of the PINs of each token, by its hash.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<[u8; 32], Arc<Mutex<Pins>>>>);

/// What is known of the PINs of a token, by hashes.
#[derive(Default)]
pub(super) struct Pins {
    refused: HashSet<[u8; 32]>,
    accepted: Option<[u8; 32]>,
}

/// The hashes of a token, and of the token with a PIN.
#[derive(PartialEq, Eq)]
pub(super) struct Tried {
    token: [u8; 32],
    with_pin: [u8; 32],
}

impl Tried {
    pub(super) fn new(serial: &str, label: &str, pin: &str) -> Self {
        let hash = |parts: &[&str]| {
            let mut hash = Sha256::new();
            for part in parts {
                hash.update(part.len().to_be_bytes());
                hash.update(part);
            }
            hash.finalize().into()
        };
        Self { token: hash(&[serial, label]), with_pin: hash(&[serial, label, pin]) }
    }
}

impl Pins {
    pub(super) fn is_refused(&self, tried: &Tried) -> bool {
        self.refused.contains(&tried.with_pin)
    }

    pub(super) fn refuse(&mut self, tried: &Tried) {
        REFUSED.store(true, Relaxed);
        self.refused.insert(tried.with_pin);
    }

    pub(super) fn accept(&mut self, tried: &Tried) {
        self.accepted = Some(tried.with_pin);
    }

    /// Whether the process has logged in to the token by another PIN.
    pub(super) fn is_other(&self, tried: &Tried) -> bool {
        self.accepted.is_some_and(|accepted| accepted != tried.with_pin)
    }
}

impl Refusals {
    /// Those of the token. Each token has a lock of its own: one that hangs keeps none from another.
    pub(super) fn of(&self, tried: &Tried) -> Arc<Mutex<Pins>> {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tokens.entry(tried.token).or_default())
    }
}
