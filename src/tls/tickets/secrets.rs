//! Secrets that several edges share, so that they resume each other's sessions.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes of a secret that a key is derived from.
pub const SECRET_BYTES: usize = 32;

/// Secrets that ticket keys are derived from, the one that seals first.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketSecrets(Vec<Zeroizing<[u8; SECRET_BYTES]>>);

impl TicketSecrets {
    /// The secrets, of which there must be one.
    #[must_use]
    pub fn new(secrets: Vec<Zeroizing<[u8; SECRET_BYTES]>>) -> Option<Self> {
        (!secrets.is_empty()).then_some(Self(secrets))
    }

    /// The secrets.
    pub fn iter(&self) -> impl Iterator<Item = &[u8; SECRET_BYTES]> {
        self.0.iter().map(|secret| &**secret)
    }
}

impl fmt::Debug for TicketSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketSecrets({})", self.0.len())
    }
}
