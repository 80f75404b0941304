//! Certificates out of files, PEM or DER.

use std::path::Path;

use rustls_pki_types::{
    CertificateDer,
    pem::{self, PemObject},
};

use crate::config::file;

const EMPTY: &str = "is empty";

/// Reads every certificate of a PEM bundle, or the one of a DER file.
///
/// The error says what the file is instead, and is to stand behind the file's path.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    certificates_in(read(path)?)
}

/// Likewise, of a file that was read.
pub fn certificates_in(bytes: Vec<u8>) -> Result<Vec<CertificateDer<'static>>, String> {
    if bytes.is_empty() {
        return Err(EMPTY.to_owned());
    }
    if bytes.first() == Some(&0x30) {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(&error))?;
    if certificates.is_empty() {
        return Err("holds no certificate (no \"-----BEGIN CERTIFICATE-----\" line)".to_owned());
    }
    Ok(certificates)
}

/// Reads a file that is either DER or one PEM section or several with this label; gives each section's DER.
pub(super) fn read_der_or_pem<T>(path: &Path, what: &str) -> Result<Vec<Vec<u8>>, String>
where
    T: PemObject + AsRef<[u8]>,
{
    der_or_pem_in::<T>(read(path)?, what)
}

/// Likewise, of what was read.
pub(super) fn der_or_pem_in<T>(bytes: Vec<u8>, what: &str) -> Result<Vec<Vec<u8>>, String>
where
    T: PemObject + AsRef<[u8]>,
{
    if bytes.is_empty() {
        return Err(EMPTY.to_owned());
    }
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes]);
    }
    let sections = T::pem_slice_iter(&bytes)
        .map(|section| section.map(|section| section.as_ref().to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(&error))?;
    if sections.is_empty() {
        return Err(format!("holds no {what}"));
    }
    Ok(sections)
}

fn malformed(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "is cut short: a \"-----BEGIN\" line has no \"-----END\" line to match".to_owned()
        }
        other => format!("is not well-formed PEM: {other}"),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = file::read(path, file::LIMIT).map_err(|error| format!("can't be read: {error}"))?;
    if bytes.is_empty() {
        return Err(EMPTY.to_owned());
    }
    Ok(bytes)
}
