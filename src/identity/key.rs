//! Public keys that are not accepted, so that their holders cannot complete a handshake.

use x509_parser::{
    asn1_rs::FromDer,
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
        OID_PKCS1_RSASSAPSS, OID_SIG_ED25519,
    },
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

/// Accepted sizes of RSA keys in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The maximum size of an RSA public exponent in bits, which bounds the cost of a verification.
const EXPONENT_BITS: usize = 33;

/// Why a key is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// The RSA key is too short to be secure, or so long that verification is expensive.
    #[error("the certificate's RSA key has {bits} bits: 2048 to 8192 are accepted")]
    RsaSize {
        /// The size of the modulus.
        bits: usize,
    },
    /// The public exponent is not an odd number from 3 to 2^33.
    #[error("the certificate's RSA key has a public exponent that is not accepted: use 65537")]
    RsaExponent,
    /// The key is restricted to PSS (RFC 4055 section 1.2).
    #[error("the certificate's key is of type id-RSASSA-PSS: use an RSA key of type rsaEncryption")]
    RsassaPss,
    /// The curve is not accepted (RFC 5480 section 2.1.1).
    #[error("the certificate's key is on a curve that is not accepted: P-256, P-384 and P-521 are")]
    Curve,
    /// The key is not RSA, ECDSA or Ed25519.
    #[error("the certificate's key is of a type that is not accepted ({oid}): use RSA, ECDSA or Ed25519")]
    Type {
        /// The algorithm's object identifier (RFC 5280 section 4.1.1.2).
        oid: String,
    },
    /// The SubjectPublicKeyInfo is malformed (RFC 5280 section 4.1.2.7).
    #[error("the certificate's public key cannot be parsed")]
    Malformed,
}

/// Why the key of this SubjectPublicKeyInfo is not accepted; `None` if it is.
#[must_use]
pub fn unusable_key(spki: &[u8]) -> Option<UnusableKey> {
    let Ok((_, key)) = SubjectPublicKeyInfo::from_der(spki) else { return Some(UnusableKey::Malformed) };
    let kind = &key.algorithm.algorithm;
    if *kind == OID_PKCS1_RSAENCRYPTION {
        return unusable_rsa(&key);
    }
    if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref().and_then(|named| named.as_oid().ok());
        let accepted = [OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521];
        return (!curve.is_some_and(|curve| accepted.contains(&curve))).then_some(UnusableKey::Curve);
    }
    if *kind == OID_PKCS1_RSASSAPSS {
        return Some(UnusableKey::RsassaPss);
    }
    (*kind != OID_SIG_ED25519).then(|| UnusableKey::Type { oid: kind.to_id_string() })
}

fn unusable_rsa(key: &SubjectPublicKeyInfo<'_>) -> Option<UnusableKey> {
    let Ok(PublicKey::RSA(rsa)) = key.parsed() else { return Some(UnusableKey::Malformed) };
    let size = bits(rsa.modulus);
    if !RSA_BITS.contains(&size) {
        return Some(UnusableKey::RsaSize { bits: size });
    }
    let is_odd = rsa.exponent.last().is_some_and(|last| last % 2 == 1);
    let is_accepted = is_odd && (2..=EXPONENT_BITS).contains(&bits(rsa.exponent));
    (!is_accepted).then_some(UnusableKey::RsaExponent)
}

/// The size in bits of a big-endian number.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let rest = number.get(zeros..).unwrap_or_default();
    rest.first().map_or(0, |first| rest.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{
        KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
        PKCS_RSA_SHA256, PublicKeyData,
    };

    use super::*;

    struct Rsa(Vec<u8>);

    impl PublicKeyData for Rsa {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }

        fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
            &PKCS_RSA_SHA256
        }
    }

    /// A key with a modulus of this size in bytes.
    fn rsa(bytes: u16, exponent: &[u8]) -> Vec<u8> {
        let integer = |number: &[u8]| {
            let length = u16::try_from(number.len()).unwrap().to_be_bytes();
            [&[2, 0x82, length[0], length[1]], number].concat()
        };
        let modulus = [&[0][..], &vec![0x81; usize::from(bytes)]].concat();
        let numbers = [integer(&modulus), integer(exponent)].concat();
        let length = u16::try_from(numbers.len()).unwrap().to_be_bytes();
        Rsa([&[0x30, 0x82, length[0], length[1]], &numbers[..]].concat()).subject_public_key_info()
    }

    #[test]
    fn keys_of_every_accepted_type_are_usable() {
        for algorithm in
            [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA512, &PKCS_ED25519]
        {
            let key = KeyPair::generate_for(algorithm).unwrap();
            assert_eq!(unusable_key(&key.subject_public_key_info()), None, "{algorithm:?}");
        }
        for bytes in [256, 384, 512, 1024] {
            assert_eq!(unusable_key(&rsa(bytes, &[1, 0, 1])), None, "{bytes}");
        }
    }

    #[test]
    fn unusable_keys_are_reported_by_reason() {
        for bytes in [64_u16, 128, 255, 1025, 2048, 8000] {
            let bits = usize::from(bytes) * 8;
            assert_eq!(unusable_key(&rsa(bytes, &[1, 0, 1])), Some(UnusableKey::RsaSize { bits }));
        }
        for exponent in [&[1][..], &[2], &[0], &[3, 0, 0, 0, 1], &[0x7f; 1023]] {
            assert_eq!(unusable_key(&rsa(256, exponent)), Some(UnusableKey::RsaExponent), "{exponent:x?}");
        }
        assert_eq!(unusable_key(b"key"), Some(UnusableKey::Malformed));
        let p256 = KeyPair::generate().unwrap().subject_public_key_info();
        // id-ecPublicKey and P-256, each with another last arc.
        let changed = |arc: &[u8]| {
            let at = p256.windows(arc.len()).position(|window| window == arc).unwrap() + arc.len() - 1;
            let mut changed = p256.clone();
            changed[at] += 1;
            unusable_key(&changed)
        };
        assert_eq!(changed(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]), Some(UnusableKey::Curve));
        let oid = "1.2.840.10045.2.2".to_owned();
        assert_eq!(changed(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]), Some(UnusableKey::Type { oid }));
    }

    proptest! {
        #[test]
        fn nothing_that_a_peer_sends_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = unusable_key(&bytes);
        }
    }
}
