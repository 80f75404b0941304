//! Secrets that several edges share so that they can resume each other's sessions.

use std::fmt;

use zeroize::Zeroizing;

/// The length of a secret, in bytes.
pub const SECRET_BYTES: usize = 32;

/// Secrets from which ticket keys are derived. The key of the first one encrypts.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketSecrets(Vec<Zeroizing<[u8; SECRET_BYTES]>>);

impl TicketSecrets {
    /// The secrets; none if the list is empty.
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
