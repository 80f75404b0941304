//! Certificates and CRLs out of files, PEM or DER.

use std::{fmt, io, path::Path};

use rustls_pki_types::CertificateDer;

use crate::{
    config::file,
    identity::spki_hash,
    pem::{self, Certificate, Fault},
};

/// Why a file can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// What is wrong, beginning with the file's name.
    pub what: String,
    /// How to make a file of it that can be used.
    pub help: Option<String>,
}

impl FileFault {
    /// Of the file as a whole: `fault` is to follow its name.
    pub fn new(path: &Path, fault: impl fmt::Display) -> Self {
        Self { what: format!("{}{fault}", path.display()), help: None }
    }

    /// That it can't be read.
    #[must_use]
    pub fn unreadable(path: &Path, error: &io::Error) -> Self {
        let (what, help) = file::unreadable(path, error);
        Self { help, ..Self::new(path, what) }
    }

    /// Of its content.
    #[must_use]
    pub fn of(path: &Path, fault: &Fault) -> Self {
        Self { help: fault.help_for(&path.display().to_string()), ..Self::new(path, fault) }
    }

    /// The same with this help, if there is none yet.
    #[must_use]
    pub fn or_help(self, help: &str) -> Self {
        Self { help: self.help.or_else(|| Some(help.to_owned())), ..self }
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Reads every certificate of a PEM bundle, or the one of a DER file.
///
/// # Errors
///
/// If the file holds anything else, or a certificate that can't be read.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    let bytes = file::read(path, file::LIMIT).map_err(|error| FileFault::unreadable(path, &error))?;
    certificates_in(path, &bytes)
}

/// The certificates of a file that was read from `path`.
///
/// # Errors
///
/// As [`read_certificates`].
pub fn certificates_in(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileFault> {
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
) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    readable(path, pem::certificates_beside_key(bytes))
}

fn readable(
    path: &Path,
    found: Result<Vec<Certificate>, Fault>,
) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    let found = found.map_err(|fault| FileFault::of(path, &fault))?;
    let readable = |Certificate { value, line }| match spki_hash(&value) {
        Ok(_) => Ok(value),
        Err(error) => Err(FileFault::new(path, located(line, error))),
    };
    found.into_iter().map(readable).collect()
}

/// What is wrong with one object of a file, to follow the file's name.
fn located(line: Option<usize>, error: impl fmt::Display) -> String {
    line.map_or_else(|| format!(" can't be used: {error}"), |line| format!(", line {line}: {error}"))
}

/// Reads every CRL of a file, PEM or DER.
pub(super) fn read_crls(path: &Path) -> Result<Vec<Vec<u8>>, FileFault> {
    let bytes = file::read(path, file::LIMIT).map_err(|error| FileFault::unreadable(path, &error))?;
    let crls = pem::crls(&bytes).map_err(|fault| FileFault::of(path, &fault))?;
    Ok(crls.into_iter().map(|crl| crl.value).collect())
}
