//! The client's certificate as facts.

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

/// How many certificates a client may present.
pub const MAX_CERTIFICATES: usize = 10;
/// How many bytes they may have in all.
pub const MAX_CHAIN_BYTES: usize = 64 * 1024;

/// Why presented certificates are no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No certificate at all.
    #[error("no certificate was presented")]
    NoCertificate,
    /// More than [`MAX_CERTIFICATES`].
    #[error("{found} certificates were presented; at most {MAX_CERTIFICATES} are read")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// More than [`MAX_CHAIN_BYTES`].
    #[error("{found} bytes of certificates were presented; at most {MAX_CHAIN_BYTES} are read")]
    TooLarge {
        /// How many.
        found: usize,
    },
    /// Not an X.509 certificate.
    #[error("not an X.509 certificate in DER: {reason}")]
    Malformed {
        /// What the parser says.
        reason: String,
    },
    /// Bytes after the certificate's end.
    #[error("{bytes} bytes follow the end of the certificate")]
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
    /// A version that X.509 does not have.
    #[error("X.509 version field {found}, expected 0, 1 or 2")]
    Version {
        /// The value of the field.
        found: u32,
    },
    /// The subject or issuer cannot be read.
    #[error("the certificate's {field}: {source}")]
    Name {
        /// `subject` or `issuer`.
        field: &'static str,
        /// What is wrong.
        source: NameError,
    },
}

/// A span of time, both ends included (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// Whether `now` lies within.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whether it has ended `now`, where it has or has not begun; nothing within.
    #[must_use]
    pub fn outside(&self, now: Timestamp) -> Option<bool> {
        if self.contains(now) { None } else { Some(now > self.not_after) }
    }

    /// The span in which both hold; it contains nothing where they do not meet.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }
}

/// What a client presented in its handshake: the leaf's facts, and the certificates that came with it.
///
/// It says nothing of trust, which [`super::verify_chain`] judges. A clone shares the facts.
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
    /// Reads the certificates of a handshake, the leaf first (RFC 8446 section 4.4.2).
    ///
    /// The leaf must be an X.509 certificate of any version, since tools still make self-signed ones of version 1.
    /// The others are kept as they came.
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
            public_key: describe(certificate.public_key()),
        })))
    }

    /// The leaf.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.0.der
    }

    /// What was presented after the leaf, as it came.
    #[must_use]
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.0.intermediates
    }

    /// The leaf's SHA-256 thumbprint (RFC 8705 section 3.1).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.0.thumbprint
    }

    /// SHA-256 over all presented certificates, each after its length: the key by which a verdict can be remembered.
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

    /// The leaf's subject alternative names, in order, of the kinds that are of use here.
    #[must_use]
    pub fn sans(&self) -> &[SubjectAltName] {
        &self.0.sans
    }

    /// When the leaf is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.0.validity
    }

    /// The bytes of the leaf's serial number, as encoded.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The leaf's X.509 version, 1 to 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// Whether the leaf names itself as its issuer (RFC 5280 section 3.2).
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.0.subject == self.0.issuer
    }

    /// The leaf's whole SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// The leaf's kind of key, for a person: `RSA 2048`, `P-256`, `Ed25519`.
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

/// The SHA-256 hash of a certificate's SubjectPublicKeyInfo: what a credential's `ca` pin is compared by.
pub fn spki_hash(cert_der: &CertificateDer<'_>) -> Result<[u8; 32], IdentityError> {
    parse(cert_der).map(|certificate| sha256(certificate.public_key().raw))
}

/// What a certificate's extKeyUsage has (RFC 5280 section 4.2.1.12), by the names of OpenSSL's configuration or as object
/// identifiers; none where it is missing or can't be read.
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

/// What a parser says, without the names of its own types.
pub(super) fn parser_message(error: &X509Error) -> String {
    match error {
        X509Error::Generic | X509Error::Der(_) | X509Error::NomError(_) => {
            "its structure is broken".to_owned()
        }
        named => named.to_string(),
    }
}

/// A certificate's validity in our terms.
pub(super) fn validity(certificate: &X509Certificate<'_>) -> Validity {
    let validity = certificate.validity();
    let time = |time: ASN1Time| Timestamp::from_unix(time.timestamp());
    Validity { not_before: time(validity.not_before), not_after: time(validity.not_after) }
}

/// What [`ClientCertificate::chain_hash`] is of these certificates.
#[must_use]
pub fn chain_hash(chain: &[CertificateDer<'_>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for der in chain {
        hash.update(der.len().to_be_bytes());
        hash.update(der);
    }
    hash.finalize().into()
}

/// None where the extension is missing, cannot be read or stands there twice.
fn sans(certificate: &X509Certificate<'_>) -> Vec<SubjectAltName> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(SubjectAltName::from_general).collect()
}

fn describe(key: &SubjectPublicKeyInfo<'_>) -> String {
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
