//! The signatures of TLS, as mechanisms of PKCS#11 over a digest that is computed here.

use std::ops::RangeInclusive;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use cryptoki::{
    mechanism::{
        Mechanism, MechanismType,
        rsa::{PkcsMgfType, PkcsPssParams},
    },
    object::KeyType,
};
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    crypto::{WebPkiSupportedAlgorithms, aws_lc_rs::default_provider},
    pki_types::SubjectPublicKeyInfoDer,
};
use webpki::RawPublicKeyEntity;
use x509_parser::{
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
    },
    prelude::FromDer,
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

/// SHA-256 first: every token has it.
const RSA: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// The sizes of RSA keys that TLS libraries verify.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// The schemes by which a key of each type may sign.
const TYPES: [(&[SignatureScheme], KeyType, SignatureAlgorithm); 4] = [
    (RSA, KeyType::RSA, SignatureAlgorithm::RSA),
    (&[SignatureScheme::ECDSA_NISTP256_SHA256], KeyType::EC, SignatureAlgorithm::ECDSA),
    (&[SignatureScheme::ECDSA_NISTP384_SHA384], KeyType::EC, SignatureAlgorithm::ECDSA),
    (&[SignatureScheme::ECDSA_NISTP521_SHA512], KeyType::EC, SignatureAlgorithm::ECDSA),
];

/// What a key of one type signs with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schemes {
    pub(super) all: &'static [SignatureScheme],
    pub(super) key_type: KeyType,
    pub(super) algorithm: SignatureAlgorithm,
}

impl Schemes {
    /// Those of a public key; `None` if a token's key of its type cannot be used.
    pub(super) fn of(key: &SubjectPublicKeyInfoDer<'_>) -> Option<Self> {
        let (_, parsed) = SubjectPublicKeyInfo::from_der(key.as_ref()).ok()?;
        let algorithm = &parsed.algorithm.algorithm;
        let index = if *algorithm == OID_PKCS1_RSAENCRYPTION {
            let PublicKey::RSA(key) = parsed.parsed().ok()? else { return None };
            if !RSA_BITS.contains(&key.key_size()) {
                return None;
            }
            0
        } else if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = parsed.algorithm.parameters.as_ref()?.as_oid().ok()?;
            1 + [OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521].iter().position(|known| *known == curve)?
        } else {
            return None;
        };
        let (all, key_type, algorithm) = *TYPES.get(index)?;
        Some(Self { all, key_type, algorithm })
    }

    /// One scheme for each mechanism that handshakes need.
    pub(super) fn to_try(self) -> impl Iterator<Item = SignatureScheme> {
        self.all.iter().copied().filter(|scheme| {
            !matches!(
                scheme,
                SignatureScheme::RSA_PSS_SHA384
                    | SignatureScheme::RSA_PSS_SHA512
                    | SignatureScheme::RSA_PKCS1_SHA384
                    | SignatureScheme::RSA_PKCS1_SHA512
            )
        })
    }
}

/// What a token is given for a signature.
pub(super) struct Order {
    pub(super) scheme: SignatureScheme,
    pub(super) data: Vec<u8>,
}

/// The beginning of a DigestInfo (RFC 8017 section 9.2, note 1): a digest of SHA-256, SHA-384 or SHA-512 follows.
const DIGEST_INFO: [[u8; 19]; 3] = [
    [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20],
    [0x30, 0x41, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 5, 0, 4, 0x30],
    [0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40],
];

impl Order {
    /// The digest of a message, as the scheme's mechanism expects it.
    pub(super) fn new(scheme: SignatureScheme, message: &[u8]) -> Self {
        let digest = |algorithm| digest::digest(algorithm, message).as_ref().to_vec();
        let [sha256, sha384, sha512] = DIGEST_INFO;
        let data = match scheme {
            SignatureScheme::RSA_PKCS1_SHA256 => [&sha256[..], &digest(&SHA256)].concat(),
            SignatureScheme::RSA_PKCS1_SHA384 => [&sha384[..], &digest(&SHA384)].concat(),
            SignatureScheme::RSA_PKCS1_SHA512 => [&sha512[..], &digest(&SHA512)].concat(),
            SignatureScheme::RSA_PSS_SHA384 | SignatureScheme::ECDSA_NISTP384_SHA384 => digest(&SHA384),
            SignatureScheme::RSA_PSS_SHA512 | SignatureScheme::ECDSA_NISTP521_SHA512 => digest(&SHA512),
            _ => digest(&SHA256),
        };
        Self { scheme, data }
    }

    /// The mechanism, and its name in the standard.
    pub(super) fn mechanism(&self) -> (Mechanism<'static>, &'static str) {
        let pss = |hash_alg, mgf, length: u32| {
            let parameters = PkcsPssParams { hash_alg, mgf, s_len: u64::from(length).into() };
            (Mechanism::RsaPkcsPss(parameters), "CKM_RSA_PKCS_PSS")
        };
        match self.scheme {
            SignatureScheme::RSA_PSS_SHA256 => pss(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32),
            SignatureScheme::RSA_PSS_SHA384 => pss(MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48),
            SignatureScheme::RSA_PSS_SHA512 => pss(MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64),
            SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512 => (Mechanism::RsaPkcs, "CKM_RSA_PKCS"),
            _ => (Mechanism::Ecdsa, "CKM_ECDSA"),
        }
    }

    /// The signature as TLS has it. A token's ECDSA signature is r and s, of one length.
    pub(super) fn encoded(&self, signature: Vec<u8>) -> Vec<u8> {
        match self.mechanism() {
            (Mechanism::Ecdsa, _) => ecdsa_der(&signature),
            _ => signature,
        }
    }
}

/// An ECDSA signature in DER (RFC 3279 section 2.2.3).
fn ecdsa_der(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    let numbers = [integer(r), integer(s)].concat();
    value(0x30, &numbers)
}

/// A number that is not negative.
fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let rest = number.get(zeros..).unwrap_or_default();
    let is_negative = rest.first().is_none_or(|first| *first >= 0x80);
    let sign: &[u8] = if is_negative { &[0] } else { &[] };
    value(2, &[sign, rest].concat())
}

/// A value of up to 255 bytes; longer ones are not signatures, and no verifier accepts what this makes of them.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    let header: &[u8] = if length < 0x80 { &[tag, length] } else { &[tag, 0x81, length] };
    [header, content].concat()
}

/// Whether a signature, as TLS has it, is of this public key.
pub(super) fn is_signed_by(
    key: &SubjectPublicKeyInfoDer<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let WebPkiSupportedAlgorithms { mapping, .. } = default_provider().signature_verification_algorithms;
    let Ok(key) = RawPublicKeyEntity::try_from(key) else { return false };
    let mut algorithms = mapping.iter().filter(|(known, _)| *known == scheme).flat_map(|(_, all)| *all);
    algorithms.any(|algorithm| key.verify_signature(*algorithm, message, signature).is_ok())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };
    use proptest::prelude::*;
    use rcgen::PublicKeyData;
    use testkit::tool::openssl;

    use super::*;

    #[test]
    fn a_key_of_a_size_that_tls_refuses_has_no_schemes() {
        let folder = tempfile::tempdir().unwrap();
        for (size, expected) in [(1024, false), (2040, false), (2048, true), (3072, true)] {
            openssl(folder.path(), &["genrsa", "-out", "key", &size.to_string()]);
            openssl(folder.path(), &["pkey", "-in", "key", "-pubout", "-outform", "DER", "-out", "public"]);
            let key = SubjectPublicKeyInfoDer::from(std::fs::read(folder.path().join("public")).unwrap());
            assert_eq!(Schemes::of(&key).is_some(), expected, "{size}");
        }
    }

    #[test]
    fn raw_ecdsa_signatures_verify_in_der() {
        let random = SystemRandom::new();
        // Among so many, some begin with zeros, or have the first bit set.
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
        let key = rcgen::KeyPair::try_from(document.as_ref()).unwrap();
        assert_eq!(key.der_bytes(), pair.public_key().as_ref());
        let key = SubjectPublicKeyInfoDer::from(key.subject_public_key_info());
        let scheme = SignatureScheme::ECDSA_NISTP256_SHA256;
        for number in 0..1000_u32 {
            let message = number.to_be_bytes();
            let raw = pair.sign(&random, &message).unwrap();
            let signature = Order::new(scheme, &message).encoded(raw.as_ref().to_vec());
            assert!(is_signed_by(&key, scheme, &message, &signature), "{:x?}", raw.as_ref());
            assert!(!is_signed_by(&key, scheme, b"another", &signature));
        }
    }

    #[test]
    fn a_number_is_the_shortest_that_is_not_negative() {
        for (number, expected) in
            [(&[0, 0][..], &[2, 1, 0][..]), (&[0, 0x7f], &[2, 1, 0x7f]), (&[0, 0x80], &[2, 2, 0, 0x80])]
        {
            assert_eq!(integer(number), expected);
        }
        // P-521.
        let long = ecdsa_der(&[0xff; 132]);
        assert_eq!(long[..3], [0x30, 0x81, 138]);
    }

    proptest! {
        #[test]
        fn nothing_that_a_token_returns_panics(raw in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = ecdsa_der(&raw);
        }
    }
}
