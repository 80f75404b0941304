//! TCP streams of one worker, whose small writes are batched until the end of its event-loop turn; client networks; the limit of
//! open files.
//!
//! Why writes are batched: it saves system calls and wake-ups of peers. `benches/RESULTS.md` ("What own machinery earns") has the
//! measurements: 13 to 23 % less CPU per request on kept-alive connections, 18 % with many HTTP/2 streams, for 2.7 % more instructions.

pub mod descriptors;
mod network;
mod stream;
#[cfg(test)]
mod tests;
mod write_batcher;

pub use network::Network;
pub use stream::{ReadReadiness, Stream};
pub use write_batcher::WriteBatcher;
