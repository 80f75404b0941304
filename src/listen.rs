//! Sockets, workers, limits, drain: from the TCP accept to the hand-over of a connection.

mod addresses;
mod cannot_bind;
mod crowds;
mod door;
mod open;
mod server;
mod shared;
mod shares;
mod socket;
mod worker;

pub use cannot_bind::cannot_bind;
pub use server::{ListenError, Listeners, Workers, workers};
pub use shares::{Shares, TooFew, shortage};
