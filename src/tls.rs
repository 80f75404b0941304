//! TLS towards applications: one server configuration per domain, selected by SNI. It verifies proof of possession and leaves policy to
//! the request pipeline. Also the client configuration of the connections that the edge opens.

mod accept;
mod challenge;
mod client;
mod configs;
mod cork;
mod first_bytes;
mod key_type;
mod leaf;
mod operator;
mod options;
mod pinned;
mod plain_http;
mod possession;
mod reason;
mod server;
mod tickets;

pub use accept::{AcceptError, Accepted, AcceptedTls, HandshakeFailure, Unserved, accept, drain_and_close};
pub use challenge::{ChallengeDigest, ChallengeError, Challenges};
pub use client::client_config;
pub use configs::ServerConfigs;
pub use cork::Corked;
pub use key_type::KeyType;
pub use leaf::Leaf;
pub use operator::{OperatorOptions, OperatorTls};
pub use options::{CipherSuites, ClientAuth, KeyExchangeGroup, MinVersion, TlsSpec};
pub use pinned::pinned_config;
pub use server::{DomainTls, ServerCredential, ServerOptions, provider};
pub use tickets::{RandomSecrets, SECRET_BYTES, TicketSecrets};
