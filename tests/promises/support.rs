//! Helpers of the promises, with those of `testkit`: the edge with its configuration, and clients and upstreams of a special kind.

pub mod admin;
pub mod bodies;
pub mod command;
pub mod edge;
pub mod frames;
pub mod held;
pub mod http2;
pub mod openssl;
pub mod origin_process;
pub mod secrets;
pub mod soft_hsm;
pub mod steady;
pub mod terminal;
pub mod test_process;
pub mod verdict;

pub use edge::{Edge, EdgeBuilder, edge_before, program, with_client};
pub use held::Held;
pub use steady::Steady;
pub use testkit::{
    Ca, Credentials, DOMAIN, PATIENCE, certificates,
    certificates::self_signed_with,
    client::{self, Answer, Client, Connection},
    scripted, self_signed,
    tool::{self, openssl_sha256},
    upstream::{Seen, TlsUpstream, Upstream},
    wire::Wire,
};
pub use verdict::{passes, refused};
