//! Builds a site from settings: the one module that opens the files a configuration references. It reports each fault at the
//! place in the configuration that references the file.

mod acme;
mod admin;
mod applications;
mod authorities;
mod credential;
mod crl_cache;
mod domain;
mod fetched;
mod files;
mod key_sets;
mod keys;
mod listen;
mod log_file;
mod methods;
mod pem;
mod port_owner;
mod profile;
mod purpose;
mod secret;
mod site;
mod ticket_keys;
mod token;
mod token_issuers;
mod traces;
mod upstream;

pub use acme::{AcmeFile, Issued, eab_key, issued};
pub use admin::{admin_tokens, operator_identity};
pub use crl_cache::{CachedCrl, CrlFault, cached_crl, judge_fetched};
pub use key_sets::{CachedKeySet, WantedKeySet, cached_key_set, judge_fetched_key_set};
pub use listen::{
    cannot_bind, check_backlog, check_memory, check_open_files, listen_spec, stray_socket,
    too_few_open_files, unbindable,
};
pub use log_file::cannot_open_log;
pub use pem::{certificates_in, read_certificates};
pub use port_owner::port_owners;
pub use purpose::Purpose;
pub use site::{Built, build, public_authorities};
pub use upstream::roots;
