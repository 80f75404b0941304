//! Password-based encryption: encrypted private keys (PKCS#8 with PBES2, RFC 8018), and keystores (PKCS#12, RFC 7292).
//!
//! A file chooses how much work its password costs, so all of it is bounded (`limits`). Everything that is decrypted is
//! wiped from memory.

mod ber;
mod error;
mod kdf;
mod limits;
mod mac;
mod oid;
mod pkcs12;
mod scheme;
mod work;

use zeroize::Zeroizing;

use ber::Reader;
pub use error::PbeError;
use kdf::Pkcs12Password;
pub use pkcs12::{Keystore, is_pkcs12, open};
use work::Work;

/// Bytes that may be secret, and are zeroed when dropped.
type Secret = Zeroizing<Vec<u8>>;

/// Decrypts an `EncryptedPrivateKeyInfo` (RFC 5958 section 3). Returns a PKCS#8 private key in DER.
///
/// # Errors
///
/// If the password is wrong, or the key is encrypted in a way that is not supported.
pub fn decrypt_private_key(der: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, PbeError> {
    let mut file = Reader::new(der);
    let mut fields = file.next()?.reader(ber::SEQUENCE)?;
    file.finish()?;
    let (scheme, data) = (fields.next()?, fields.next()?);
    fields.finish()?;
    let (data, form) = (data.octets(ber::OCTET_STRING)?, Pkcs12Password::new(password));
    let key = scheme::decrypt(&scheme, &data, password, &form, &mut Work::default())?;
    // One wrong password in 256 leaves a valid padding.
    if is_private_key(&key) { Ok(key) } else { Err(PbeError::WrongPassword) }
}

/// Whether these bytes are a `OneAsymmetricKey` (RFC 5958 section 2) of version 1 or 2, and nothing else.
fn is_private_key(der: &[u8]) -> bool {
    /// Version 2, as it is written.
    const V2: u64 = 1;
    let fields = || {
        let mut file = Reader::new(der);
        let key = file.next()?;
        file.finish()?;
        let mut fields = key.reader(ber::SEQUENCE)?;
        Ok::<_, PbeError>((fields.next()?.number()?, fields.next()?.tag, fields.next()?.tag))
    };
    fields().is_ok_and(|(version, algorithm, key)| {
        version <= V2 && algorithm == ber::SEQUENCE && key == ber::OCTET_STRING
    })
}

#[cfg(test)]
mod tests;
