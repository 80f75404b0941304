//! Client authentication: the `client_id` of a request, and whether that client has registered the certificate.

mod chain;
mod client_id;
mod judge;
mod proof;

pub use chain::{ChainSlot, Presented, RefusalCache, Verdict};
pub use client_id::{client_id, overrides_method};
pub use judge::{Denial, judge_any, judge_client};
pub use proof::{Basis, Proof, ProofSlot};
