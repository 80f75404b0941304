//! Client authentication: the `client_id` of a request, its mechanism, and whether it authenticates that client.

mod assertion;
mod certificate;
mod chain;
mod client_id;
mod denial;
mod judge;
mod matching;
mod mechanism;
mod proof;
mod secret;

pub use assertion::{AssertionError, AssertionRules, JWT, read_assertion};
pub use chain::{ChainSlot, Presented, RefusalCache, Verdict};
pub use client_id::client_id;
pub use denial::Denial;
pub use judge::{Attempt, judge_any, judge_binding, judge_client};
pub use mechanism::{Mechanism, MechanismError, MechanismName};
pub use proof::{Basis, Proof, ProofSlot};
