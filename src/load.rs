//! Settings to a site: the one place that opens the files which a configuration names, and that maps what is wrong with them to
//! the place in the configuration that names them.

mod applications;
mod authorities;
mod crl_cache;
mod files;
mod listen;
mod pem;
mod server_credential;
mod site;
mod ticket_keys;
mod upstream;

pub use crl_cache::{Kept, judge_fetched, kept};
pub use listen::{cannot_bind, listen_spec, open_files, too_few_open_files};
pub use pem::{certificates_in, read_certificates};
pub use site::{Built, build, public_authorities};
pub use upstream::roots;
