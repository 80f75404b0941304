//! PEM files: each BEGIN line becomes an object or an error, and the objects are those that rustls' reader finds.

use mtls_edge::pem::{
    PrivateKey, certificates, certificates_beside_key, crls, private_key, private_key_or_encrypted,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject};

/// Checks a file, read for each purpose.
pub fn check(file: &[u8]) {
    let is_der = is_der(file);
    let for_rustls = for_rustls(file);
    let upper = String::from_utf8_lossy(file).to_ascii_uppercase();
    let begins = upper.matches("-----BEGIN").count();
    if let Ok(found) = certificates(file) {
        let found: Vec<&[u8]> = found.iter().map(|object| object.value.as_ref()).collect();
        assert_eq!(found.len(), if is_der { 1 } else { begins });
        let reference: Vec<_> = CertificateDer::pem_slice_iter(&for_rustls).collect();
        compare(file, &found, reference);
    }
    if let Ok(found) = certificates_beside_key(file) {
        assert!(!found.is_empty() && (is_der || found.len() <= begins));
    }
    if let Ok(found) = crls(file) {
        let found: Vec<&[u8]> = found.iter().map(|object| object.value.as_slice()).collect();
        assert_eq!(found.len(), if is_der { 1 } else { begins });
        let reference: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&for_rustls).collect();
        compare(file, &found, reference);
    }
    let key = private_key(file);
    let beside = match private_key_or_encrypted(file, true) {
        Ok(PrivateKey::Plain(key)) => Some(key),
        Ok(PrivateKey::Encrypted { der, .. }) => {
            assert_eq!(length(&der), Some(der.len()), "not one DER element");
            assert!(key.is_err());
            None
        }
        Err(_) => None,
    };
    if let Ok(key) = &key {
        assert_eq!(begins - upper.matches("BEGIN EC PARAMETERS").count(), 1);
        assert_eq!(beside.as_ref(), Some(key), "a key alone is a key beside no certificates");
    }
    if let Some(key) = &beside
        && !has_mark(file)
    {
        assert_eq!(PrivateKeyDer::from_pem_slice(&for_rustls).ok().as_ref(), Some(key));
    }
}

/// A SEQUENCE and its length; a text may begin with a zero, which is the same byte.
fn is_der(file: &[u8]) -> bool {
    matches!(file, [0x30, length, ..] if *length >= 0x80 || usize::from(*length) + 2 == file.len())
}

/// rustls does not expect a byte order mark, which the edge passes over.
fn has_mark(file: &[u8]) -> bool {
    file.windows(3).any(|three| three == b"\xef\xbb\xbf")
}

/// With spaces for other whitespace: rustls' reader passes over nothing but spaces at the end of a boundary line, the edge over all
/// whitespace (RFC 7468 section 2).
fn for_rustls(file: &[u8]) -> Vec<u8> {
    file.iter().map(|byte| if matches!(byte, b'\t' | b'\x0c') { b' ' } else { *byte }).collect()
}

/// Each object fills its bytes, and rustls' reader finds the same ones in a text.
fn compare<T: AsRef<[u8]>, E>(file: &[u8], found: &[&[u8]], reference: Vec<Result<T, E>>) {
    for der in found {
        assert_eq!(length(der), Some(der.len()), "not one DER element");
    }
    if is_der(file) || has_mark(file) {
        return;
    }
    let reference: Option<Vec<T>> = reference.into_iter().map(Result::ok).collect();
    let reference =
        reference.unwrap_or_else(|| panic!("rustls does not read {:?}", String::from_utf8_lossy(file)));
    let reference: Vec<&[u8]> = reference.iter().map(AsRef::as_ref).collect();
    assert_eq!(found, reference);
}

/// The length of the DER element that begins here.
fn length(der: &[u8]) -> Option<usize> {
    let first = usize::from(*der.get(1)?);
    if first < 0x80 {
        return Some(2 + first);
    }
    let bytes = der.get(2..2 + (first & 0x7f))?;
    Some(2 + bytes.len() + bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}
