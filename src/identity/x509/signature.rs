//! Signatures of certificates and CRLs (RFC 5280 section 4.1.1).

use rustls_pki_types::SubjectPublicKeyInfoDer;
use webpki::RawPublicKeyEntity;

use crate::identity::der::{self, Der};

/// The signed bytes of a certificate or CRL, and the signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    /// The signed bytes, with tag and length.
    message: &'a [u8],
    /// The content of the AlgorithmIdentifier.
    pub(crate) algorithm: &'a [u8],
    signature: &'a [u8],
}

/// Why a signature is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureFault {
    /// The algorithm is not accepted.
    Algorithm,
    /// The key is not the one that has signed.
    Key,
}

impl<'a> Signed<'a> {
    /// Parses `SEQUENCE { tbs, algorithm, signature }`. Returns the content of tbs as well.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<(&'a [u8], Self)> {
        let mut der = Der::new(der::only(bytes, der::SEQUENCE)?);
        let tbs = der.take_element(der::SEQUENCE)?;
        let algorithm = der.take(der::SEQUENCE)?;
        let signature = der::bytes_of_bits(der.take(der::BIT_STRING)?)?;
        der.end()?;
        Some((tbs.content, Self { message: tbs.whole, algorithm, signature }))
    }

    /// Verifies the signature with a SubjectPublicKeyInfo, by the named algorithm only.
    pub(crate) fn verify(&self, spki: &[u8]) -> Result<(), SignatureFault> {
        let spki = SubjectPublicKeyInfoDer::from(spki);
        let key = RawPublicKeyEntity::try_from(&spki).map_err(|_| SignatureFault::Key)?;
        let mut fault = SignatureFault::Algorithm;
        for algorithm in webpki::ALL_VERIFICATION_ALGS {
            if algorithm.signature_alg_id().as_ref() == self.algorithm {
                match key.verify_signature(*algorithm, self.message, self.signature) {
                    Ok(()) => return Ok(()),
                    // An identifier can apply to several key types, for example ECDSA with SHA-256 to P-256 and P-384.
                    Err(_) => fault = SignatureFault::Key,
                }
            }
        }
        Err(fault)
    }
}

/// Whether a signature algorithm (the content of an AlgorithmIdentifier) is accepted.
pub(crate) fn is_accepted(algorithm: &[u8]) -> bool {
    webpki::ALL_VERIFICATION_ALGS.iter().any(|known| known.signature_alg_id().as_ref() == algorithm)
}

/// The name of an algorithm (the content of an AlgorithmIdentifier), for messages.
pub(crate) fn algorithm_name(algorithm: &[u8]) -> String {
    let Some(oid) = Der::new(algorithm).take(der::OID) else { return "a malformed algorithm".to_owned() };
    let name = match oid {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last] => match last {
            2 => "md2WithRSAEncryption",
            4 => "md5WithRSAEncryption",
            5 => "sha1WithRSAEncryption",
            10 => "RSASSA-PSS",
            11 => "sha256WithRSAEncryption",
            12 => "sha384WithRSAEncryption",
            13 => "sha512WithRSAEncryption",
            14 => "sha224WithRSAEncryption",
            _ => "",
        },
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] => "ecdsa-with-SHA1",
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last] => match last {
            1 => "ecdsa-with-SHA224",
            2 => "ecdsa-with-SHA256",
            3 => "ecdsa-with-SHA384",
            4 => "ecdsa-with-SHA512",
            _ => "",
        },
        [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3] => "dsa-with-SHA1",
        [0x2b, 0x65, 0x71] => "Ed448",
        _ => "",
    };
    let dotted = der::dotted(oid);
    if name.is_empty() { dotted } else { format!("{name} ({dotted})") }
}
