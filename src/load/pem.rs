//! Reads certificates and CRLs from PEM or DER files.

use std::{fmt, path::Path};

use rustls_pki_types::CertificateDer;

use crate::{
    config::{Fault, file},
    identity::spki_hash,
    pem::{self, Certificate},
};

/// The fault of a file whose content cannot be parsed.
pub(super) fn invalid_content(path: &Path, fault: &pem::Fault) -> Fault {
    Fault { help: fault.help_for(&path.display().to_string()), ..file::fault(path, fault) }
}

/// Reads all certificates of a PEM bundle, or the one certificate of a DER file.
///
/// # Errors
///
/// If the file contains anything else, or a certificate that cannot be parsed.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let bytes = file::read(path, file::LIMIT).map_err(|error| file::unreadable(path, &error))?;
    certificates_in(path, &bytes)
}

/// Parses the certificates in the content of the file at `path`.
///
/// # Errors
///
/// As [`read_certificates`].
pub fn certificates_in(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    check_parsable(path, pem::certificates(bytes))
}

/// Parses the certificates in a file that also contains a private key.
///
/// # Errors
///
/// As [`read_certificates`].
pub(super) fn certificates_beside_key(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, Fault> {
    check_parsable(path, pem::certificates_beside_key(bytes))
}

fn check_parsable(
    path: &Path,
    found: Result<Vec<Certificate>, pem::Fault>,
) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found = found.map_err(|fault| invalid_content(path, &fault))?;
    let parsable = |Certificate { value, line }| match spki_hash(&value) {
        Ok(_) => Ok(value),
        Err(error) => Err(file::fault(path, at_line(line, error))),
    };
    found.into_iter().map(parsable).collect()
}

/// Describes the error of one object, to be appended to the file's name.
fn at_line(line: Option<usize>, error: impl fmt::Display) -> String {
    line.map_or_else(|| format!(" cannot be used: {error}"), |line| format!(", line {line}: {error}"))
}

/// Reads all CRLs of a PEM or DER file.
pub(super) fn read_crls(path: &Path) -> Result<Vec<Vec<u8>>, Fault> {
    let bytes = file::read(path, file::LIMIT).map_err(|error| file::unreadable(path, &error))?;
    let crls = pem::crls(&bytes).map_err(|fault| invalid_content(path, &fault))?;
    Ok(crls.into_iter().map(|crl| crl.value).collect())
}
