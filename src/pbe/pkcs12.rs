//! Keystores (RFC 7292): a private key with its certificates in a file with a password (`.p12`, `.pfx`).

use std::borrow::Cow;

use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::{
    PbeError, Secret,
    ber::{
        self, BMP_STRING, CONTEXT_0, EXPLICIT_0, Element, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE,
        SET,
    },
    is_private_key,
    kdf::{Pkcs12Password, unsupported},
    limits::MAX_SIZE,
    mac, oid, scheme,
    work::Work,
};

/// What a keystore contains.
pub struct Keystore {
    /// The only private key, in PKCS#8.
    pub key: Zeroizing<Vec<u8>>,
    /// Its certificates, at least one. Those that the file assigns to the key are first; otherwise in the order of the file.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Whether a password protects any of it.
    pub is_protected: bool,
}

/// Whether a file begins as a keystore does: a version, and a content type.
#[must_use]
pub fn is_pkcs12(file: &[u8]) -> bool {
    parts(file).is_ok()
}

/// The content type, the content and the `MacData` of a `PFX`.
fn parts(file: &[u8]) -> Result<(&[u8], Element<'_>, Option<Element<'_>>), PbeError> {
    const VERSION: u64 = 3;
    let mut file = Reader::new(file);
    let mut fields = file.next()?.reader(SEQUENCE)?;
    file.finish()?;
    if fields.next()?.number()? != VERSION {
        return Err(PbeError::Malformed);
    }
    let (content_type, content) = content_info(&fields.next()?)?;
    let mac = fields.next_if(SEQUENCE)?;
    fields.finish()?;
    Ok((content_type, content, mac))
}

/// The type and the content of a `ContentInfo` (RFC 5652 section 3).
fn content_info<'a>(info: &Element<'a>) -> Result<(&'a [u8], Element<'a>), PbeError> {
    let mut fields = info.reader(SEQUENCE)?;
    let content_type = fields.next()?.content(OBJECT_IDENTIFIER)?;
    let content = explicit(&fields.next()?)?;
    fields.finish()?;
    Ok((content_type, content))
}

/// The only element in a `[0]`.
fn explicit<'a>(element: &Element<'a>) -> Result<Element<'a>, PbeError> {
    let mut inner = element.reader(EXPLICIT_0)?;
    let found = inner.next()?;
    inner.finish()?;
    Ok(found)
}

/// Opens a keystore with a password, which is empty for one without.
///
/// # Errors
///
/// If the password is wrong, the file is not a keystore with one private key and a certificate, or uses algorithms that are not supported.
pub fn open(file: &[u8], password: &str) -> Result<Keystore, PbeError> {
    if file.len() > MAX_SIZE {
        return Err(PbeError::TooLarge);
    }
    let (content_type, content, mac) = parts(file)?;
    match content_type {
        oid::DATA => {}
        oid::SIGNED_DATA => {
            return Err(PbeError::Unsupported(
                "is protected by a signature in place of a password".to_owned(),
            ));
        }
        other => return Err(unsupported("has the content type", other)),
    }
    let safes = content.octets(OCTET_STRING)?;
    let mut work = Work::default();
    let form = mac.map(|data| mac::verify(&data, &safes, password, &mut work)).transpose()?;
    let is_checked = form.is_some();
    let form = form.unwrap_or_else(|| Pkcs12Password::new(password));
    let mut keystore = Opener { password, form, work, is_protected: is_checked, bags: Bags::default() };
    match keystore.safes(&safes).and_then(|()| keystore.finish()) {
        // By the check the password is right.
        Err(PbeError::WrongPassword) if is_checked => Err(PbeError::KeyPassword),
        result => result,
    }
}

/// The elements of the only SEQUENCE.
fn sequence(bytes: &[u8]) -> Result<Reader<'_>, PbeError> {
    let mut reader = Reader::new(bytes);
    let elements = reader.next()?.reader(SEQUENCE)?;
    reader.finish()?;
    Ok(elements)
}

/// What is found in the safes.
#[derive(Default)]
struct Bags {
    keys: Vec<KeyBag>,
    certificates: Vec<(CertificateDer<'static>, Option<Vec<u8>>)>,
}

/// A private key that is not decrypted yet, so that only the first one costs work.
struct KeyBag {
    value: Secret,
    is_encrypted: bool,
    name: Option<String>,
    id: Option<Vec<u8>>,
}

struct Opener<'a> {
    password: &'a str,
    form: Pkcs12Password,
    work: Work,
    is_protected: bool,
    bags: Bags,
}

impl Opener<'_> {
    /// Reads the `AuthenticatedSafe`.
    fn safes(&mut self, safes: &[u8]) -> Result<(), PbeError> {
        let mut safes = sequence(safes)?;
        while !safes.is_empty() {
            self.safe(&safes.next()?)?;
        }
        Ok(())
    }

    /// Reads a `ContentInfo` of the `AuthenticatedSafe`.
    fn safe(&mut self, info: &Element<'_>) -> Result<(), PbeError> {
        let (content_type, content) = content_info(info)?;
        match content_type {
            oid::DATA => self.contents(&content.octets(OCTET_STRING)?),
            oid::ENCRYPTED_DATA => {
                let plain = self.decrypt_safe(&content)?;
                // What a wrong password leaves does not have the structure.
                self.contents(&plain).map_err(|error| match error {
                    PbeError::Malformed => PbeError::WrongPassword,
                    other => other,
                })
            }
            oid::ENVELOPED_DATA => {
                Err(PbeError::Unsupported("is encrypted for a certificate in place of a password".to_owned()))
            }
            other => Err(unsupported("contains the content type", other)),
        }
    }

    /// Decrypts an `EncryptedData` (RFC 5652 section 8).
    fn decrypt_safe(&mut self, data: &Element<'_>) -> Result<Secret, PbeError> {
        let mut fields = data.reader(SEQUENCE)?;
        fields.next()?.number()?;
        let mut info = fields.next()?.reader(SEQUENCE)?;
        fields.next_if(EXPLICIT_0 | 1)?;
        fields.finish()?;
        info.next()?.content(OBJECT_IDENTIFIER)?;
        let (scheme, content) = (info.next()?, info.next()?);
        info.finish()?;
        self.decrypt(&scheme, &content.octets(CONTEXT_0)?)
    }

    fn decrypt(&mut self, scheme: &Element<'_>, data: &[u8]) -> Result<Secret, PbeError> {
        self.is_protected = true;
        scheme::decrypt(scheme, data, self.password, &self.form, &mut self.work)
    }

    /// Reads `SafeContents`. Secrets and CRLs are skipped.
    fn contents(&mut self, contents: &[u8]) -> Result<(), PbeError> {
        let mut bags = sequence(contents)?;
        while !bags.is_empty() {
            let mut fields = bags.next()?.reader(SEQUENCE)?;
            let (kind, value) = (fields.next()?.content(OBJECT_IDENTIFIER)?, explicit(&fields.next()?)?);
            let attributes = fields.next_if(SET)?;
            fields.finish()?;
            let attribute = |oid| attributes.as_ref().map_or(Ok(None), |found| attribute(found, oid));
            let id = match attribute(oid::LOCAL_KEY_ID)? {
                Some(id) => Some(id.octets(OCTET_STRING)?.into_owned()),
                None => None,
            };
            match kind {
                oid::KEY_BAG | oid::SHROUDED_KEY_BAG => {
                    let name = match attribute(oid::FRIENDLY_NAME)? {
                        Some(name) => Some(text(name.content(BMP_STRING)?)),
                        None => None,
                    };
                    let value = Zeroizing::new(value.whole.to_vec());
                    self.bags.keys.push(KeyBag {
                        value,
                        is_encrypted: kind == oid::SHROUDED_KEY_BAG,
                        name,
                        id,
                    });
                }
                oid::CERTIFICATE_BAG => {
                    if let Some(certificate) = certificate(&value)? {
                        self.bags.certificates.push((CertificateDer::from(certificate.into_owned()), id));
                    }
                }
                // It may contain a key.
                oid::SAFE_CONTENTS_BAG => {
                    return Err(PbeError::Unsupported("contains nested bags".to_owned()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The key with its certificates, when all safes have been read.
    fn finish(mut self) -> Result<Keystore, PbeError> {
        let Bags { mut keys, mut certificates } = std::mem::take(&mut self.bags);
        if keys.len() > 1 {
            return Err(PbeError::SeveralKeys(keys.into_iter().map(|key| key.name).collect()));
        }
        let KeyBag { value, is_encrypted, id, .. } = keys.pop().ok_or(PbeError::NoKey)?;
        if certificates.is_empty() {
            return Err(PbeError::NoCertificate);
        }
        let key = if is_encrypted { self.private_key(&value)? } else { value };
        if !is_private_key(&key) {
            return Err(if is_encrypted { PbeError::WrongPassword } else { PbeError::Malformed });
        }
        certificates.sort_by_key(|(_, of)| of.is_none() || *of != id);
        let certificates = certificates.into_iter().map(|(certificate, _)| certificate).collect();
        Ok(Keystore { key, certificates, is_protected: self.is_protected })
    }

    /// Decrypts an `EncryptedPrivateKeyInfo`.
    fn private_key(&mut self, encrypted: &[u8]) -> Result<Secret, PbeError> {
        let mut fields = sequence(encrypted)?;
        let (scheme, data) = (fields.next()?, fields.next()?);
        fields.finish()?;
        self.decrypt(&scheme, &data.octets(OCTET_STRING)?)
    }
}

/// The first value of an attribute.
fn attribute<'a>(attributes: &Element<'a>, oid: &[u8]) -> Result<Option<Element<'a>>, PbeError> {
    let mut attributes = attributes.reader(SET)?;
    while !attributes.is_empty() {
        let mut fields = attributes.next()?.reader(SEQUENCE)?;
        let (found, mut values) = (fields.next()?.content(OBJECT_IDENTIFIER)?, fields.next()?.reader(SET)?);
        fields.finish()?;
        if found == oid {
            return values.next().map(Some);
        }
    }
    Ok(None)
}

/// The X.509 certificate of a `CertBag`; `None` for one of another kind.
fn certificate<'a>(bag: &Element<'a>) -> Result<Option<Cow<'a, [u8]>>, PbeError> {
    let mut fields = bag.reader(SEQUENCE)?;
    let (kind, value) = (fields.next()?.content(OBJECT_IDENTIFIER)?, explicit(&fields.next()?)?);
    fields.finish()?;
    if kind == oid::X509_CERTIFICATE { value.octets(ber::OCTET_STRING).map(Some) } else { Ok(None) }
}

/// The text of a `BMPString`.
fn text(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
