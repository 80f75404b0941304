//! `mtls-edge`: a TLS-terminating edge for OAuth 2.0 mutual-TLS client authentication (RFC 8705).

pub mod authenticate;
pub mod config;
pub mod forward;
pub mod identity;
pub mod site;
pub mod tls;
pub mod trust;
pub mod vouch;
