//! Who is calling: the `client_id` that a request names, and whether the certificate is that client's.

mod chain_cache;
mod client_id;
mod form;
mod json;
mod judge;

pub use chain_cache::ChainCache;
pub use client_id::{ClientIdError, client_id};
pub use judge::{Denial, Proof, judge_any, judge_client};
