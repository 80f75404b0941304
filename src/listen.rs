//! Sockets, workers, limits, drain: from the TCP accept to the hand-over of a connection.

mod addresses;
mod admission;
mod crowds;
mod eviction;
mod gauges;
mod open;
mod server;
mod shared;
mod shares;
mod socket;
mod spec;
mod worker;

pub use server::{ListenError, Listeners, Workers};
pub use shares::{Shares, Shortage, TooFew};
pub use spec::ListenSpec;
