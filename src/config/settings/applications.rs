//! The typed content of `applications.toml`.

use std::{fmt, num::NonZeroU32, path::PathBuf};

use super::KeySetSource;
use crate::{
    clock::Timestamp,
    config::span::{Span, Spanned},
    jose::Algorithm,
    trust::AuthMethod,
};

/// `[[application]]`. The files that it names are not read yet; DNs and thumbprints are not parsed yet.
#[derive(Clone, Debug)]
pub struct Application {
    /// The OAuth client identifier.
    pub client_id: Spanned<String>,
    /// How it authenticates. Default: implied by its credentials.
    pub auth_method: Spanned<AuthMethod>,
    /// At most two, of this method, with different names. None with a method that needs none, or with [`Application::jwks_uri`].
    pub credentials: Vec<Credential>,
    /// The key set that has its public keys. Only for `private_key_jwt` without credentials.
    pub jwks_uri: Option<KeySetSource>,
    /// The certificate that is required besides its credential.
    pub certificate_bound: Option<CertificateBound>,
    /// The keys of its request objects: at most two, with different names.
    pub request_keys: Vec<RequestKey>,
    /// What its authorization requests must be.
    pub rules: RequestRules,
    /// The rate of its requests, if it is not that of all applications.
    pub requests_per_second: Option<NonZeroU32>,
}

/// `certificate_bound = true`.
#[derive(Clone, Debug)]
pub struct CertificateBound {
    /// Its place.
    pub span: Span,
    /// `[[application.certificate]]`: at most two, of one mTLS method. None: any certificate that the client proves to possess.
    pub certificates: Vec<Credential>,
}

/// The rules for authorization requests. All default to false.
#[derive(Clone, Debug)]
pub struct RequestRules {
    /// Refuses requests without a request object.
    pub require_signed_request: Spanned<bool>,
    /// Refuses authorization requests that were not pushed.
    pub require_pushed_request: Spanned<bool>,
    /// Refuses parameters that contradict the request object.
    pub strict_request_objects: Spanned<bool>,
}

/// `[[application.credential]]` or `[[application.certificate]]`.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The name that the operator chose.
    pub name: Spanned<String>,
    /// What a request's credential is compared with.
    pub matcher: Matcher,
    /// The CA, PEM, that must be on the certification path. Only with a subject.
    pub ca: Option<Spanned<PathBuf>>,
    /// From when on it is refused.
    pub expires_at: Option<Spanned<Timestamp>>,
}

/// `[[application.request_key]]`.
#[derive(Clone, Debug)]
pub struct RequestKey {
    /// The name that the operator chose.
    pub name: Spanned<String>,
    /// The public key.
    pub key: KeyFile,
    /// From when on it is refused.
    pub expires_at: Option<Spanned<Timestamp>>,
}

/// The key that registers a credential, with its value.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// `thumbprint`.
    Thumbprint(Spanned<String>),
    /// `certificate`, a PEM or DER file whose thumbprint is registered.
    Certificate(Spanned<PathBuf>),
    /// `public_key`.
    PublicKey(KeyFile),
    /// `subject_dn`.
    SubjectDn(Spanned<String>),
    /// `san_dns`.
    SanDns(Spanned<String>),
    /// `san_uri`.
    SanUri(Spanned<String>),
    /// `san_ip`.
    SanIp(Spanned<String>),
    /// `san_email`.
    SanEmail(Spanned<String>),
    /// `secret_sha256`.
    SecretSha256(Spanned<SecretHash>),
}

impl Matcher {
    /// The place of its value in the configuration.
    #[must_use]
    pub fn span(&self) -> &Span {
        match self {
            Self::Certificate(file) => &file.span,
            Self::PublicKey(key) => &key.file.span,
            Self::SecretSha256(hash) => &hash.span,
            Self::Thumbprint(text)
            | Self::SubjectDn(text)
            | Self::SanDns(text)
            | Self::SanUri(text)
            | Self::SanIp(text)
            | Self::SanEmail(text) => &text.span,
        }
    }
}

/// A public key, with its use.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// The file: PEM, a certificate, a JWK or a JWK Set.
    pub file: Spanned<PathBuf>,
    /// The algorithm of its signatures. Default: that of the JWK, or else RS256.
    pub alg: Option<Spanned<Algorithm>>,
    /// The `kid` of its signatures. Default: that of the JWK.
    pub kid: Option<Spanned<String>>,
}

/// The SHA-256 hash of a client secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    /// Without the hash, by which a weak secret could be guessed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}
