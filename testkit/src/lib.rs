//! Test helpers that the promises, the benches and the library's unit tests share. They know nothing of the edge's own types.
//!
//! A helper panics when something goes wrong: the test or bench that called it has failed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use
)]

mod background;
pub mod certificates;
pub mod client;
pub mod edge;
pub mod jws;
mod refusing;
pub mod scripted;
pub mod tool;
pub mod upstream;
pub mod wire;

pub use background::background;
pub use certificates::{Ca, Credentials, self_signed};
pub use edge::Edge;
pub use refusing::Refusing;

/// The server name that clients call unless they are given another.
pub const DOMAIN: &str = "mtls.example.test";

/// The longest wait for anything, far beyond what it takes: after it the test has failed.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
