//! The names of the authentication methods.

/// A supported value of OAuth's `token_endpoint_auth_method` (RFC 7591 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// `tls_client_auth` (RFC 8705 section 2.1).
    PkiTls,
    /// `self_signed_tls_client_auth` (RFC 8705 section 2.2).
    SelfSignedTls,
}

impl AuthMethod {
    /// All supported methods.
    pub const ALL: [Self; 2] = [Self::SelfSignedTls, Self::PkiTls];

    /// The name in IANA's registry of OAuth token endpoint authentication methods.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PkiTls => "tls_client_auth",
            Self::SelfSignedTls => "self_signed_tls_client_auth",
        }
    }
}
