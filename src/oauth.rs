//! Parsing of OAuth requests (RFC 6749), independent of authentication.

mod parameters;

pub use parameters::{Interest, ParameterError, Parameters};
