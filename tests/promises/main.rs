//! What the edge promises, proved from outside: the real program on a loopback port, real TLS clients, a real
//! upstream that records what reaches it. One module a promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

mod binding;
mod client_auth;
mod commands;
mod forwarding;
mod hosts;
mod paths;
mod self_signed;
mod sessions;
mod spoofing;
mod structure;
mod support;
mod upgrades;
