//! Certificates and CRLs out of files, PEM or DER.

use std::{fmt, path::Path};

use rustls_pki_types::CertificateDer;

use crate::{
    config::{Fault, file},
    identity::spki_hash,
    pem::{self, Certificate},
};

/// What is wrong with the content of a file.
pub(super) fn unusable(path: &Path, fault: &pem::Fault) -> Fault {
    Fault { help: fault.help_for(&path.display().to_string()), ..file::fault(path, fault) }
}

/// Reads every certificate of a PEM bundle, or the one of a DER file.
///
/// # Errors
///
/// If the file holds anything else, or a certificate that can't be read.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let bytes = file::read(path, file::LIMIT).map_err(|error| file::unreadable(path, &error))?;
    certificates_in(path, &bytes)
}

/// The certificates of a file that was read from `path`.
///
/// # Errors
///
/// As [`read_certificates`].
pub fn certificates_in(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    readable(path, pem::certificates(bytes))
}

/// The certificates of a file that has a private key too.
///
/// # Errors
///
/// As [`read_certificates`].
pub(super) fn certificates_beside_key(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, Fault> {
    readable(path, pem::certificates_beside_key(bytes))
}

fn readable(
    path: &Path,
    found: Result<Vec<Certificate>, pem::Fault>,
) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found = found.map_err(|fault| unusable(path, &fault))?;
    let readable = |Certificate { value, line }| match spki_hash(&value) {
        Ok(_) => Ok(value),
        Err(error) => Err(file::fault(path, located(line, error))),
    };
    found.into_iter().map(readable).collect()
}

/// What is wrong with one object of a file, to follow the file's name.
fn located(line: Option<usize>, error: impl fmt::Display) -> String {
    line.map_or_else(|| format!(" cannot be used: {error}"), |line| format!(", line {line}: {error}"))
}

/// Reads every CRL of a file, PEM or DER.
pub(super) fn read_crls(path: &Path) -> Result<Vec<Vec<u8>>, Fault> {
    let bytes = file::read(path, file::LIMIT).map_err(|error| file::unreadable(path, &error))?;
    let crls = pem::crls(&bytes).map_err(|fault| unusable(path, &fault))?;
    Ok(crls.into_iter().map(|crl| crl.value).collect())
}
