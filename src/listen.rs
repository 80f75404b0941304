//! Sockets, workers, limits, drain: from the TCP accept to the hand-over of a connection.

mod addresses;
mod admission;
mod bound;
mod burst;
mod crowds;
mod eviction;
mod gauges;
mod inherited;
mod open;
mod reached;
mod server;
mod shared;
mod shares;
mod socket;
mod spec;
mod stores;
mod worker;

pub use inherited::{Group, Inherited, Purpose, Sockets, Stray, StrayReason};
pub use server::{ListenError, Listeners, Observers, Workers};
pub use shares::{Shares, Shortage, TooFew};
pub use socket::BACKLOG;
pub use spec::ListenSpec;
pub use stores::Stores;
pub use worker::End;
