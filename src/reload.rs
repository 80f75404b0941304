//! Trust that changes while the edge runs: watches the files, builds a new site off to the side, and swaps the pointer.
//!
//! A reload is all or nothing. What does not validate changes nothing: the old site stays in force, and the failure is told
//! in one log line, in the metrics and in `/status`. What is mended is taken up by itself.

mod burst;
mod contents;
mod doubt;
mod fetch;
mod first;
mod links;
mod reloader;
mod restart;
mod retired;
#[cfg(test)]
mod testing;
mod told;
mod watch;

pub use first::{Initial, first};
pub use reloader::{Reloader, Trigger};
