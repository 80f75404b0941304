//! TCP streams of one worker, whose small sends wait for the end of its turn; and the limit of open files.

pub mod descriptors;
mod network;
mod outbox;
mod stream;
#[cfg(test)]
mod tests;

pub use network::Network;
pub use outbox::Outbox;
pub use stream::{Arrivals, Stream};
