//! Configuration: text, then typed settings, then validated settings.
//!
//! [`settings`] and [`applications`] read a file each, and tell all that is wrong with it at once. There
//! is no serde here: its derive stops at the first error, and does not know where it stands.

mod blot;
mod edge;
pub mod encoding;
pub mod file;
mod guess;
mod load;
#[cfg(test)]
mod messages;
mod names;
mod pieces;
pub mod place;
pub mod problem;
mod registry;
pub mod settings;
mod syntax;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod unreadable;
mod value;
pub mod vocabulary;
mod words;

pub use edge::log_filter;
pub use load::{admin, applications, settings};
pub use place::{Located, Place, Source};
pub use problem::{Problem, Severity, render};
