//! The limit on the work of one verification.

use super::refusal::ChainRefusal;

/// Signatures of certificates and of intermediates' CRLs. An ordinary path needs one per certificate.
const SIGNATURES: u32 = 32;
/// Comparisons with name constraints, as many as rustls-webpki allows.
const COMPARISONS: u32 = 250_000;

/// The work that a verification has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Budget {
    /// Signatures verified.
    pub(super) signatures: u32,
    /// Certificates that were tried as the next issuer.
    pub(super) steps: u32,
    comparisons: u32,
}

impl Budget {
    /// Counts a signature; an error if the limit is exceeded.
    pub(super) fn consume_signature(&mut self) -> Result<(), ChainRefusal> {
        self.signatures += 1;
        within(self.signatures, SIGNATURES, "too many signatures")
    }

    /// Counts a comparison of a name with a constraint; an error if the limit is exceeded.
    pub(super) fn consume_comparison(&mut self) -> Result<(), ChainRefusal> {
        self.comparisons += 1;
        within(self.comparisons, COMPARISONS, "too many names under name constraints")
    }
}

fn within(spent: u32, allowed: u32, limit: &'static str) -> Result<(), ChainRefusal> {
    if spent <= allowed { Ok(()) } else { Err(ChainRefusal::TooComplex { limit }) }
}
