//! TCP streams of one worker, whose small sends wait for the end of its turn.

mod outbox;
mod stream;
#[cfg(test)]
mod tests;

pub use outbox::Outbox;
pub use stream::Stream;
