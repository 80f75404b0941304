//! What one verification may cost, for any client.

use super::refusal::ChainRefusal;

/// Signatures of certificates and of intermediates' CRLs. A real path takes one a certificate.
const SIGNATURES: u32 = 32;
/// Names held against name constraints, as in rustls-webpki.
const COMPARISONS: u32 = 250_000;

/// What a verification has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Budget {
    /// Signature checks.
    pub(super) signatures: u32,
    /// Certificates that were tried as the next issuer.
    pub(super) steps: u32,
    comparisons: u32,
}

impl Budget {
    /// Asks for a signature check.
    pub(super) fn consume_signature(&mut self) -> Result<(), ChainRefusal> {
        self.signatures += 1;
        within(self.signatures, SIGNATURES, "too many signatures")
    }

    /// Asks to hold one name against one constraint.
    pub(super) fn consume_comparison(&mut self) -> Result<(), ChainRefusal> {
        self.comparisons += 1;
        within(self.comparisons, COMPARISONS, "too many names under name constraints")
    }
}

fn within(spent: u32, allowed: u32, limit: &'static str) -> Result<(), ChainRefusal> {
    if spent <= allowed { Ok(()) } else { Err(ChainRefusal::TooComplex { limit }) }
}
