//! A build without the feature `pkcs11`.

use rustls::pki_types::SubjectPublicKeyInfoDer;

use super::{KeyUri, OpenError, OpenedKey, Patience, Side};

/// Refuses every key.
///
/// # Errors
///
/// Always.
pub fn open(
    _: &KeyUri,
    _: &str,
    _: &[SubjectPublicKeyInfoDer<'static>],
    _: Side,
    _: &Patience,
) -> Result<OpenedKey, OpenError> {
    Err(OpenError::Unsupported)
}

/// Has nothing to end.
pub const fn finish() {}

/// Whether a token has refused a PIN of this process: never.
#[must_use]
pub const fn was_pin_refused() -> bool {
    false
}
