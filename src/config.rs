//! Parses the two configuration files into typed settings.
//!
//! [`settings`] reads `edge.toml` and what it includes, [`applications`] reads `applications.toml`; both report all problems of a file at once. Serde's
//! derive is not used: it stops at the first error and does not know the position of a value.

mod applications;
pub mod diagnostic;
mod edge;
mod expand;
pub mod file;
mod include;
mod input;
mod key_set;
mod lenient;
mod node;
mod parse;
mod pkcs11_uri;
mod public_key;
mod reader;
mod redact;
pub mod schema;
pub mod settings;
pub mod span;
mod split;
mod syntax;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod toml_text;
mod url;
mod validate;
mod variable;

use crate::text::{encoding, suggest};

pub use diagnostic::{Fault, Problem, Severity, records, render, to_json};
pub use edge::listen_address;
pub use input::Input;
pub use lenient::{Operators, log_format, operators, registry};
pub use parse::{Parsed, applications, settings};
pub use schema::{applications_schema, edge_schema};
pub use span::{Source, Span, Spanned};
pub use validate::{address, domain_name};
