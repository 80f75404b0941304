//! Parsing of OAuth requests (RFC 6749), independent of authentication.

mod parameters;

pub use parameters::{
    Interest, ParameterError, Parameters, Places, all_parameters, check_body_headers, form_names,
};

/// The names of all parameters that the edge reads.
const NAMES: [&str; 12] = [
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "grant_type",
    "response_type",
    "redirect_uri",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
    "access_token",
];

/// The parameters that the edge reads.
pub static PARAMETERS: Interest<{ NAMES.len() }> = Interest::new(NAMES);
