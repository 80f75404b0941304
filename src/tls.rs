//! TLS towards applications: a server configuration a domain, chosen by SNI; possession is proved, policy is not judged here.

mod accept;
mod client;
mod cork;
mod leaf;
mod opening;
mod options;
mod plain;
mod possession;
mod reason;
mod server;
mod tickets;

pub use accept::{AcceptError, AcceptedTls, Failed, accept, take_leave};
pub use client::client_config;
pub use cork::Corked;
pub use leaf::Leaf;
pub use options::{CipherSuites, ClientAuth};
pub use server::{DomainTls, ServerCredential, ServerOptions, provider};
pub use tickets::{SECRET_BYTES, TicketSecrets};
