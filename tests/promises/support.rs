//! Parts for the promises: certificates, the edge's process, upstreams, clients.

pub mod admin;
pub mod bodies;
pub mod client;
pub mod command;
pub mod edge;
pub mod frames;
pub mod http2;
pub mod openssl;
pub mod scripted;
pub mod test_process;
pub mod upstream;
pub mod verdict;
pub mod wire;

pub use client::{Answer, Client, Connection};
pub use edge::{Edge, EdgeBuilder, edge_before, program, with_client};
pub use testkit::{Ca, Credentials, PATIENCE, certificates, self_signed, tool};
pub use upstream::{Seen, Upstream};
pub use verdict::{passes, refused};
pub use wire::Wire;

/// The domain on which most tests call.
pub const DOMAIN: &str = "mtls.example.test";
