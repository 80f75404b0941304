//! Sockets, workers, limits, drain: from the TCP accept to the hand-over of a connection.

mod activity;
mod connection;
mod handshake;
mod linger;
mod open;
mod proxy_protocol;
mod requests;
mod server;
mod shared;
mod socket;
mod worker;

pub use server::{Running, ServeError, start};
