//! The names of the authentication methods.

/// A supported value of OAuth's `token_endpoint_auth_method` (RFC 7591 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// `tls_client_auth` (RFC 8705 section 2.1).
    PkiTls,
    /// `self_signed_tls_client_auth` (RFC 8705 section 2.2).
    SelfSignedTls,
    /// `private_key_jwt` (RFC 7523 section 2.2, OpenID Connect Core section 9).
    PrivateKeyJwt,
    /// `client_secret_basic` (RFC 6749 section 2.3.1).
    ClientSecretBasic,
    /// `client_secret_post` (RFC 6749 section 2.3.1).
    ClientSecretPost,
    /// `none`: a public client (RFC 6749 section 2.1).
    None,
}

impl AuthMethod {
    /// All supported methods.
    pub const ALL: [Self; 6] = [
        Self::SelfSignedTls,
        Self::PkiTls,
        Self::PrivateKeyJwt,
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::None,
    ];

    /// The name in IANA's registry of OAuth token endpoint authentication methods.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PkiTls => "tls_client_auth",
            Self::SelfSignedTls => "self_signed_tls_client_auth",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
        }
    }

    /// Whether the client authenticates with its certificate.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::PkiTls | Self::SelfSignedTls)
    }
}
