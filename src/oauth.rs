//! What OAuth (RFC 6749) says about requests, apart from whose they are.

mod parameters;

pub use parameters::{Interest, ParameterError, Parameters};
