//! The properties that hold for any input of a parser: one module per parser, each with a `check` that panics where they do not.
//!
//! A fuzz target calls the check with whatever libFuzzer makes up; `tests/promises/parsers.rs`, its twin in `cargo test`, includes
//! the same files and calls them with mutations of the seeds. The checks stay outside of the library: they need reference parsers,
//! which the edge must not link.

pub mod admin;
pub mod assertion;
pub mod certificate_key;
pub mod config;
pub mod distinguished_name;
pub mod form;
pub mod http1_response;
pub mod jose;
pub mod json;
pub mod key_set;
pub mod pbe;
pub mod pem;
pub mod proxy_header;
pub mod request_object;
pub mod signed;

/// How common servers read a request, from the tests.
#[path = "../../tests/promises/one_reading"]
pub mod one_reading {
    pub mod models;
    pub mod raw_request;
}
