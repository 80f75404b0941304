//! The parsed client certificate.

use std::{fmt, sync::Arc};

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::{
    certificate::X509Certificate, error::X509Error, oid_registry::asn1_rs::FromDer, public_key::PublicKey,
    time::ASN1Time, x509::SubjectPublicKeyInfo,
};

use super::{
    name::{DistinguishedName, NameError},
    san::SubjectAltName,
    thumbprint::{Thumbprint, sha256},
};

use crate::clock::Timestamp;

/// The maximum number of certificates that a client may present.
pub const MAX_CERTIFICATES: usize = 10;
/// The maximum size of a presented chain in bytes.
pub const MAX_CHAIN_BYTES: usize = 64 * 1024;

/// Why presented certificates cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The chain is empty.
    #[error("no certificate was presented")]
    NoCertificate,
    /// There are more than [`MAX_CERTIFICATES`].
    #[error("{found} certificates were presented; at most {MAX_CERTIFICATES} are read")]
    TooMany {
        /// The number found.
        found: usize,
    },
    /// The chain is longer than [`MAX_CHAIN_BYTES`].
    #[error("{found} bytes of certificates were presented; at most {MAX_CHAIN_BYTES} are read")]
    TooLarge {
        /// The number found.
        found: usize,
    },
    /// The leaf is not an X.509 certificate.
    #[error("not an X.509 certificate in DER: {reason}")]
    Malformed {
        /// The parser's error.
        reason: String,
    },
    /// Bytes follow the end of the leaf.
    #[error("{bytes} bytes follow the end of the certificate")]
    TrailingBytes {
        /// The number found.
        bytes: usize,
    },
    /// The version field is invalid.
    #[error("X.509 version field {found}, expected 0, 1 or 2")]
    Version {
        /// The value of the field.
        found: u32,
    },
    /// The subject or issuer cannot be parsed.
    #[error("the certificate's {field}: {source}")]
    Name {
        /// `subject` or `issuer`.
        field: &'static str,
        /// The cause.
        source: NameError,
    },
}

/// A validity period, including both ends (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Validity {
    /// The first valid second.
    pub not_before: Timestamp,
    /// The last valid second.
    pub not_after: Timestamp,
}

impl Validity {
    /// Whether `now` lies within.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// `None` within the period, else whether it has ended (`true`) or not begun (`false`).
    #[must_use]
    pub fn outside(&self, now: Timestamp) -> Option<bool> {
        if self.contains(now) { None } else { Some(now > self.not_after) }
    }

    /// The period in which both are valid; it contains no time if they do not overlap.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }
}

/// A client certificate as it was presented: the parsed leaf, and the other certificates of the chain.
///
/// It is not verified; see [`super::verify_chain`]. Cheap to clone.
#[derive(Clone)]
pub struct ClientCertificate(Arc<Facts>);

struct Facts {
    der: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    thumbprint: Thumbprint,
    chain_hash: [u8; 32],
    subject: DistinguishedName,
    issuer: DistinguishedName,
    sans: Vec<SubjectAltName>,
    validity: Validity,
    serial: Vec<u8>,
    version: u32,
    spki: Vec<u8>,
    public_key: String,
}

impl ClientCertificate {
    /// Parses the certificates of a handshake, the leaf first (RFC 8446 section 4.4.2).
    ///
    /// The leaf may have any X.509 version, since tools still make self-signed certificates of version 1. The others are not
    /// parsed.
    pub fn from_chain(chain: &[CertificateDer<'_>]) -> Result<Self, IdentityError> {
        let (leaf, intermediates) = chain.split_first().ok_or(IdentityError::NoCertificate)?;
        if chain.len() > MAX_CERTIFICATES {
            return Err(IdentityError::TooMany { found: chain.len() });
        }
        let bytes = chain.iter().map(|der| der.len()).sum();
        if bytes > MAX_CHAIN_BYTES {
            return Err(IdentityError::TooLarge { found: bytes });
        }
        let certificate = parse(leaf)?;
        let version = certificate.version().0;
        if version > 2 {
            return Err(IdentityError::Version { found: version });
        }
        let name = |field, name: &[u8]| {
            DistinguishedName::from_der(name).map_err(|source| IdentityError::Name { field, source })
        };
        Ok(Self(Arc::new(Facts {
            der: leaf.clone().into_owned(),
            intermediates: intermediates.iter().map(|der| der.clone().into_owned()).collect(),
            thumbprint: Thumbprint::of(leaf),
            chain_hash: chain_hash(chain),
            subject: name("subject", certificate.subject().as_raw())?,
            issuer: name("issuer", certificate.issuer().as_raw())?,
            sans: sans(&certificate),
            validity: validity(&certificate),
            serial: certificate.raw_serial().to_vec(),
            version: version + 1,
            spki: certificate.public_key().raw.to_vec(),
            public_key: key_description(certificate.public_key()),
        })))
    }

    /// The leaf in DER.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.0.der
    }

    /// The other presented certificates, in the presented order.
    #[must_use]
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.0.intermediates
    }

    /// The leaf's SHA-256 thumbprint (RFC 8705 section 3.1).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.0.thumbprint
    }

    /// SHA-256 over all presented certificates, each with its length: the key for cached verdicts.
    #[must_use]
    pub fn chain_hash(&self) -> [u8; 32] {
        self.0.chain_hash
    }

    /// The leaf's subject.
    #[must_use]
    pub fn subject(&self) -> &DistinguishedName {
        &self.0.subject
    }

    /// The leaf's issuer.
    #[must_use]
    pub fn issuer(&self) -> &DistinguishedName {
        &self.0.issuer
    }

    /// The leaf's subject alternative names of the supported kinds, in certificate order.
    #[must_use]
    pub fn sans(&self) -> &[SubjectAltName] {
        &self.0.sans
    }

    /// The leaf's validity period.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.0.validity
    }

    /// The content of the leaf's serial number INTEGER.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The leaf's X.509 version, 1 to 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// Whether subject and issuer of the leaf are equal (RFC 5280 section 3.2).
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.0.subject == self.0.issuer
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_sha256(&self) -> [u8; 32] {
        sha256(&self.0.spki)
    }

    /// The leaf's SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// The leaf's key type for display: `RSA 2048`, `P-256`, `Ed25519`.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.0.public_key
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("thumbprint", &self.0.thumbprint)
            .field("subject", &self.0.subject)
            .field("intermediates", &self.0.intermediates.len())
            .finish_non_exhaustive()
    }
}

/// A certificate's SubjectPublicKeyInfo in DER.
pub fn spki(cert_der: &CertificateDer<'_>) -> Result<Vec<u8>, IdentityError> {
    parse(cert_der).map(|certificate| certificate.public_key().raw.to_vec())
}

/// The SHA-256 hash of a certificate's SubjectPublicKeyInfo, by which a credential's `ca` pin is compared.
pub fn spki_hash(cert_der: &CertificateDer<'_>) -> Result<[u8; 32], IdentityError> {
    parse(cert_der).map(|certificate| sha256(certificate.public_key().raw))
}

/// The usages in extKeyUsage (RFC 5280 section 4.2.1.12), by OpenSSL's names or as object identifiers; `None` if it is
/// missing or cannot be parsed.
#[must_use]
pub fn extended_key_usages(cert_der: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = parse(cert_der).ok()?;
    let usages = certificate.extended_key_usage().ok()??.value;
    let known = [
        (usages.any, "anyExtendedKeyUsage"),
        (usages.server_auth, "serverAuth"),
        (usages.client_auth, "clientAuth"),
        (usages.code_signing, "codeSigning"),
        (usages.email_protection, "emailProtection"),
        (usages.time_stamping, "timeStamping"),
        (usages.ocsp_signing, "OCSPSigning"),
    ];
    let names = known.iter().filter(|(has, _)| *has).map(|(_, name)| (*name).to_owned());
    Some(names.chain(usages.other.iter().map(ToString::to_string)).collect())
}

/// Parses exactly one certificate.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, IdentityError> {
    let parsed = X509Certificate::from_der(der);
    let (rest, certificate) =
        parsed.map_err(|error| IdentityError::Malformed { reason: parser_message(&error.into()) })?;
    if rest.is_empty() { Ok(certificate) } else { Err(IdentityError::TrailingBytes { bytes: rest.len() }) }
}

/// The parser's error, without the names of its internal types.
pub(super) fn parser_message(error: &X509Error) -> String {
    match error {
        X509Error::Generic | X509Error::Der(_) | X509Error::NomError(_) => {
            "its structure is broken".to_owned()
        }
        named => named.to_string(),
    }
}

/// Converts a certificate's validity.
pub(super) fn validity(certificate: &X509Certificate<'_>) -> Validity {
    let validity = certificate.validity();
    let time = |time: ASN1Time| Timestamp::from_unix(time.timestamp());
    Validity { not_before: time(validity.not_before), not_after: time(validity.not_after) }
}

/// Computes [`ClientCertificate::chain_hash`] without parsing.
#[must_use]
pub fn chain_hash(chain: &[CertificateDer<'_>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for der in chain {
        hash.update(der.len().to_be_bytes());
        hash.update(der);
    }
    hash.finalize().into()
}

/// The SANs of the supported kinds; none if the extension is missing, repeated or cannot be parsed.
fn sans(certificate: &X509Certificate<'_>) -> Vec<SubjectAltName> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(SubjectAltName::from_general).collect()
}

fn key_description(key: &SubjectPublicKeyInfo<'_>) -> String {
    let algorithm = key.algorithm.algorithm.to_id_string();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let modulus: Vec<u8> = rsa.modulus.iter().copied().skip_while(|b| *b == 0).collect();
            let spare = modulus.first().map_or(0, |b| b.leading_zeros() as usize);
            return format!("RSA {}", modulus.len() * 8 - spare);
        }
        Ok(PublicKey::EC(_)) => {
            let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
            let curve = curve.map(|oid| oid.to_id_string()).unwrap_or_default();
            return match curve.as_str() {
                "1.2.840.10045.3.1.7" => "P-256".to_owned(),
                "1.3.132.0.34" => "P-384".to_owned(),
                "1.3.132.0.35" => "P-521".to_owned(),
                "1.3.132.0.10" => "secp256k1".to_owned(),
                other => format!("EC {other}"),
            };
        }
        _ => {}
    }
    match algorithm.as_str() {
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        "1.2.840.113549.1.1.10" => "RSA-PSS".to_owned(),
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44".to_owned(),
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65".to_owned(),
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests;
