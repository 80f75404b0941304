//! Parts for the promises: certificates, the edge's process, upstreams, clients.

pub mod admin;
pub mod bodies;
pub mod command;
pub mod edge;
pub mod frames;
pub mod http2;
pub mod openssl;
pub mod test_process;
pub mod verdict;

pub use edge::{Edge, EdgeBuilder, edge_before, program, with_client};
pub use testkit::{
    Ca, Credentials, DOMAIN, PATIENCE, certificates,
    client::{self, Answer, Client, Connection},
    scripted, self_signed, tool,
    upstream::{Seen, Upstream},
    wire::Wire,
};
pub use verdict::{passes, refused};
