//! Keystores and encrypted keys: any file is opened or refused, and what is opened is a key with a certificate. The password of the
//! seeds is "pass".

use mtls_edge::pbe::{decrypt_private_key, is_pkcs12, open};

/// Checks a file with the right password and with none.
pub fn check(file: &[u8]) {
    for password in ["pass", ""] {
        if let Ok(keystore) = open(file, password) {
            assert!(is_pkcs12(file));
            assert!(is_pkcs8(&keystore.key) && !keystore.certificates.is_empty());
        }
        if let Ok(key) = decrypt_private_key(file, password) {
            assert!(is_pkcs8(&key));
        }
    }
}

/// A SEQUENCE that begins with a short INTEGER.
fn is_pkcs8(key: &[u8]) -> bool {
    key.first() == Some(&0x30) && key.windows(2).take(6).any(|two| two == [0x02, 0x01])
}
