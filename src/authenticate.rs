//! Who is calling: the `client_id` that a request names, and whether the certificate is that client's.

mod chain;
mod client_id;
mod judge;
mod proof;

pub use chain::{ChainSlot, Presented, RefusalCache, Verdict};
pub use client_id::{client_id, overrides_method};
pub use judge::{Denial, judge_any, judge_client};
pub use proof::{Basis, Proof, ProofSlot};
