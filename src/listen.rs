//! Sockets, workers, limits, drain: from the TCP accept to the hand-over of a connection.

mod activity;
mod addresses;
mod cannot_bind;
mod chunks;
mod connection;
mod crowds;
mod door;
mod handshake;
mod lent;
mod linger;
mod open;
pub mod proxy_protocol;
mod requests;
mod server;
mod shared;
mod shares;
mod socket;
mod turns;
mod worker;

pub use cannot_bind::cannot_bind;
pub use server::{ListenError, Listeners, Workers, workers};
pub use shares::{Shares, TooFew, shortage};
