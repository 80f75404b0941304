//! Who may use the admin address.

use std::{fmt, sync::Arc};

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};

use crate::{clock::Timestamp, identity::ClientCertificate, tls::OperatorTls};

/// What a request to the admin address must present.
#[derive(Clone, Debug, Default)]
pub struct AdminRules {
    /// Names that are accepted as `Host`, besides `localhost` and IP addresses.
    pub hosts: Vec<String>,
    /// The tokens, each of which is accepted. Empty: none is needed.
    pub tokens: Vec<AdminToken>,
    /// TLS, possibly with client certificates. `None`: plain HTTP.
    pub tls: Option<Arc<OperatorTls>>,
}

impl AdminRules {
    /// When the certificate of the admin address expires, if it has one.
    #[must_use]
    pub fn certificate_end(&self) -> Option<Timestamp> {
        let leaf = std::slice::from_ref(self.tls.as_ref()?.leaf()?);
        Some(ClientCertificate::from_chain(leaf).ok()?.validity().not_after)
    }

    /// Whether a connection that was accepted with this TLS may still be used.
    #[must_use]
    pub fn has_tls(&self, of_connection: Option<&Arc<OperatorTls>>) -> bool {
        match (&self.tls, of_connection) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }

    /// Whether one of the tokens was presented. Hashes are compared in constant time, each of them.
    #[must_use]
    pub fn accept(&self, presented: &[u8]) -> bool {
        let presented = AdminToken::of(presented);
        let matches = |token: &&AdminToken| verify_slices_are_equal(&token.0, &presented.0).is_ok();
        self.tokens.iter().filter(matches).count() > 0
    }
}

/// A token of the admin address: its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AdminToken([u8; 32]);

impl AdminToken {
    /// The hash of this token.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
        Self(hash)
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}
