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

/// A SEQUENCE that begins with an INTEGER.
fn is_pkcs8(key: &[u8]) -> bool {
    let first = match key {
        [0x30, length @ 0x81..=0x84, ..] => 2 + usize::from(length & 0x7f),
        [0x30, ..] => 2,
        _ => return false,
    };
    key.get(first) == Some(&0x02)
}
