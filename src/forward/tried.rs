//! What was tried to send a request, for its record.

use std::cell::Cell;

/// Where a request was sent, and how often again.
#[derive(Debug, Default)]
pub struct Tried {
    last: Cell<Option<usize>>,
    resends: Cell<u32>,
}

impl Tried {
    pub(super) fn set_last(&self, origin: usize) {
        self.last.set(Some(origin));
    }

    pub(super) fn count_resend(&self) {
        self.resends.set(self.resends.get().saturating_add(1));
    }

    /// The origin to which it was sent last, by its index in the upstream; none before.
    #[must_use]
    pub fn last(&self) -> Option<usize> {
        self.last.get()
    }

    /// How often it was sent again, to the same or to another origin.
    #[must_use]
    pub fn resends(&self) -> u32 {
        self.resends.get()
    }
}
