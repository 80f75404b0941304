//! Who is calling: the `client_id` that a request names, and whether the certificate is that client's.

mod chain;
mod judge;
mod proof;
mod reading;

pub use chain::{ChainSlot, Presented, Refusals, Verdict};
pub use judge::{Denial, judge_any, judge_client};
pub use proof::{Basis, Proof, ProofSlot};
pub use reading::{ClientIdError, client_id, overrides_method};
