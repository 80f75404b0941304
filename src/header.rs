//! Header names: every list of them, and the comparison that treats names as equal if an upstream may. And `Retry-After`, as servers send it.

pub mod fold;
pub mod forwarded;
pub mod hop;
pub mod owned;
pub mod reserved;
pub mod retry_after;
