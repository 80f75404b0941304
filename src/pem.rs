//! Strict parsing of PEM (RFC 7468) and DER files, so that no part of a file is silently ignored.
//!
//! Every BEGIN line becomes an object, or an error with the line, what was found, and how to fix it. The functions take bytes;
//! callers add the file's name to errors.

mod der;
mod fault;
mod kind;
mod scan;
mod text;

use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use zeroize::Zeroizing;

pub use fault::Fault;
use kind::{KeyForm, Kind, Wanted};
use scan::Section;

/// An object of a file, with the line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<T> {
    /// The object.
    pub value: T,
    /// The line of its BEGIN boundary, from 1; `None` in a DER file.
    pub line: Option<usize>,
}

/// A certificate in a file.
pub type Certificate = Object<CertificateDer<'static>>;

/// Parses all certificates of a PEM file, or the one of a DER file; at least one.
///
/// # Errors
///
/// If the file contains anything else.
pub fn certificates(file: &[u8]) -> Result<Vec<Certificate>, Fault> {
    certificates_in(file, false)
}

/// Parses the certificates of a file that may also contain a private key, see [`private_key_or_encrypted`].
///
/// # Errors
///
/// If the file contains anything else.
pub fn certificates_beside_key(file: &[u8]) -> Result<Vec<Certificate>, Fault> {
    certificates_in(file, true)
}

fn certificates_in(file: &[u8], beside_key: bool) -> Result<Vec<Certificate>, Fault> {
    let is_ignored = |kind: &Kind| beside_key && kind.is_of_key_file();
    objects(file, Wanted::Certificate, is_ignored, |der| CertificateDer::from(std::mem::take(der)))
}

/// Parses all CRLs of a PEM file, or the one of a DER file; at least one.
///
/// # Errors
///
/// If the file contains anything else.
pub fn crls(file: &[u8]) -> Result<Vec<Object<Vec<u8>>>, Fault> {
    objects(file, Wanted::Crl, |_| false, std::mem::take)
}

/// The private key of a file.
pub enum PrivateKey {
    /// One that anybody can use who can read the file.
    Plain(PrivateKeyDer<'static>),
    /// An `EncryptedPrivateKeyInfo` (RFC 7468 section 11) in DER.
    Encrypted {
        /// The object.
        der: Zeroizing<Vec<u8>>,
        /// The line of its BEGIN boundary, from 1.
        line: usize,
    },
}

/// Parses the only private key of a PEM file, which may be encrypted, and may be beside certificates, see
/// [`certificates_beside_key`].
///
/// # Errors
///
/// If the file contains anything else. The error contains no part of a key.
pub fn private_key_or_encrypted(file: &[u8], beside_certificates: bool) -> Result<PrivateKey, Fault> {
    key_in(file, beside_certificates)
}

/// The fault of an encrypted private key where none can be decrypted.
#[must_use]
pub fn encrypted_key(line: usize) -> Fault {
    Fault::unexpected(Wanted::Key, &Kind::EncryptedKey, Some(line))
}

/// Parses the only private key of a PEM file, which must not be encrypted.
///
/// # Errors
///
/// If the file contains anything else. The error contains no part of a key.
pub fn private_key(file: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    match key_in(file, false)? {
        PrivateKey::Plain(key) => Ok(key),
        PrivateKey::Encrypted { line, .. } => Err(encrypted_key(line)),
    }
}

fn key_in(file: &[u8], beside_certificates: bool) -> Result<PrivateKey, Fault> {
    const WANTED: Wanted = Wanted::Key;
    let mut found: Option<(usize, PrivateKey)> = None;
    let mut sections = text::sections_of(file, WANTED)?.into_iter().peekable();
    while let Some(section) = sections.next() {
        let form = match section.kind() {
            Kind::Certificate if beside_certificates => continue,
            // `openssl ecparam -genkey` writes the curve before the key, which contains it too.
            Kind::EcParameters if sections.peek().is_some_and(|next| next.label == "EC PRIVATE KEY") => {
                continue;
            }
            Kind::Key(form) => Some(form),
            Kind::EncryptedKey => None,
            other => return Err(Fault::unexpected(WANTED, &other, Some(section.line))),
        };
        let line = section.line;
        let mut der = section.take(WANTED)?;
        if let Some((first, _)) = found {
            return Err(Fault::second_key(line, first));
        }
        let Some(form) = form else {
            found = Some((line, PrivateKey::Encrypted { der, line }));
            continue;
        };
        let der = std::mem::take(&mut *der);
        let key = match form {
            KeyForm::Pkcs8 => PrivatePkcs8KeyDer::from(der).into(),
            KeyForm::Pkcs1 => PrivatePkcs1KeyDer::from(der).into(),
            KeyForm::Sec1 => PrivateSec1KeyDer::from(der).into(),
        };
        found = Some((line, PrivateKey::Plain(key)));
    }
    found.map(|(_, key)| key).ok_or_else(|| Fault::missing(WANTED))
}

/// A public key in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// A SubjectPublicKeyInfo (RFC 7468 section 13).
    Spki(Vec<u8>),
    /// A certificate, which contains one.
    Certificate(CertificateDer<'static>),
}

/// Parses the only public key or certificate of a PEM or DER file.
///
/// # Errors
///
/// If the file contains anything else, or more than one.
pub fn public_key(file: &[u8]) -> Result<PublicKey, Fault> {
    const WANTED: Wanted = Wanted::PublicKey;
    if der::is_der(file) {
        if der::kind_of_file(file) == Some(Kind::Certificate) {
            der::check(file, WANTED, None, &Kind::Certificate)?;
            return Ok(PublicKey::Certificate(CertificateDer::from(file.to_vec())));
        }
        der::check(file, WANTED, None, WANTED.kind())?;
        return Ok(PublicKey::Spki(file.to_vec()));
    }
    let mut found: Option<(usize, PublicKey)> = None;
    for section in text::sections_of(file, WANTED)? {
        let (kind, line) = (section.kind(), section.line);
        if !matches!(kind, Kind::PublicKey | Kind::Certificate) {
            return Err(Fault::unexpected(WANTED, &kind, Some(line)));
        }
        if let Some((first, _)) = found {
            return Err(Fault::second_public_key(line, first));
        }
        let der = std::mem::take(&mut *section.take(WANTED)?);
        let key = match kind {
            Kind::Certificate => PublicKey::Certificate(CertificateDer::from(der)),
            _ => PublicKey::Spki(der),
        };
        found = Some((line, key));
    }
    found.map(|(_, key)| key).ok_or_else(|| Fault::missing(WANTED))
}

fn objects<T>(
    file: &[u8],
    wanted: Wanted,
    is_ignored: impl Fn(&Kind) -> bool,
    mut object: impl FnMut(&mut Vec<u8>) -> T,
) -> Result<Vec<Object<T>>, Fault> {
    if der::is_der(file) {
        der::check(file, wanted, None, wanted.kind())?;
        return Ok(vec![Object { value: object(&mut file.to_vec()), line: None }]);
    }
    let mut objects = Vec::new();
    for section in text::sections_of(file, wanted)? {
        let kind = section.kind();
        if is_ignored(&kind) {
            continue;
        }
        if kind != *wanted.kind() {
            return Err(Fault::unexpected(wanted, &kind, Some(section.line)));
        }
        let line = Some(section.line);
        objects.push(Object { value: object(&mut *section.take(wanted)?), line });
    }
    if objects.is_empty() { Err(Fault::missing(wanted)) } else { Ok(objects) }
}

impl Section {
    fn kind(&self) -> Kind {
        if self.is_encrypted { Kind::TraditionalEncryptedKey } else { Kind::of_label(&self.label) }
    }

    /// The DER, validated to be one object of the kind in the label.
    fn take(self, wanted: Wanted) -> Result<Secret, Fault> {
        let (kind, line) = (self.kind(), Some(self.line));
        let der = self.der?;
        der::check(&der, wanted, line, &kind)?;
        Ok(der)
    }
}

/// Bytes that may be secret, and are zeroed when dropped.
type Secret = Zeroizing<Vec<u8>>;

#[cfg(test)]
mod tests;
