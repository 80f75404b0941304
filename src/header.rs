//! Header names that the edge has rules for: every list of them, and the one comparison of names that upstreams may confuse.

pub mod fold;
pub mod forwarded;
pub mod hop;
pub mod owned;
pub mod reserved;
