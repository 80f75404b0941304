//! Who is calling: the `client_id` that a request names, and whether the certificate is that client's.

mod chain_cache;
mod judge;
mod reading;

pub use chain_cache::ChainCache;
pub use judge::{Denial, Proof, judge_any, judge_client};
pub use reading::{ClientIdError, client_id, overrides_method};
