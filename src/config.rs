//! Configuration: text, then typed settings, then validated settings.

pub mod place;
pub mod problem;
pub mod settings;

pub use place::{Located, Place, Source};
pub use problem::{Problem, Severity};
