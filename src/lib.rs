//! `mtls-edge`: a TLS-terminating edge for OAuth 2.0 mutual-TLS client authentication (RFC 8705).

pub mod config;
pub mod identity;
