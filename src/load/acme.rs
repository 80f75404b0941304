//! The certificate of a domain that is ordered by ACME: one file with the chain and the key, which the edge writes itself.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::{
    credential::{CredentialFiles, InUse, LoadedCredential, Role, load_credential},
    fetched::check_roots,
    secret::load_secret,
};
use crate::{
    clock::Timestamp,
    config::{
        Fault, Problem, Severity, Spanned, file,
        settings::{Acme, PrivateKey, SecretSource},
    },
    identity::{ClientCertificate, Validity},
    pkcs11::Patience,
    tls::{CipherSuites, provider},
};

/// What the file contains.
#[derive(Debug)]
pub enum AcmeFile<T> {
    /// A certificate with its key. It may have expired.
    Valid(T),
    /// The file does not exist.
    Missing,
    /// It cannot be used, with the reason.
    Invalid(String),
}

/// Reports the roots and the key of `[acme]` that cannot be used.
pub(super) fn check_acme(acme: &Acme) -> Vec<Problem> {
    let mut problems = check_roots([(&acme.directory, acme.ca.as_ref())].into_iter(), "acme.ca");
    if let Some(account) = &acme.external_account
        && let Err(fault) = eab_key(&account.key.value)
    {
        problems.push(
            fault
                .or_help("write the key as the CA shows it, in base64url")
                .at(&account.key.span, "acme.eab_key"),
        );
    }
    problems
}

/// Loads the key that binds the account to another one; no fault shows it.
pub fn eab_key(source: &SecretSource) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let text = load_secret(source)?;
    // CAs show it with and without padding.
    let unpadded = text.to_str().unwrap_or_default().trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(unpadded).map(Zeroizing::new).map_err(|_| Fault::new("the key is not base64url"))
}

/// Loads the file of a domain. A file that can be used may have warnings; what makes it invalid is for the caller to report.
pub(super) fn load_acme(
    path: &Spanned<PathBuf>,
    domain: &str,
    in_use: InUse<'_>,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> AcmeFile<LoadedCredential> {
    match path.value.try_exists() {
        Ok(true) => {}
        Ok(false) => return AcmeFile::Missing,
        Err(error) => return AcmeFile::Invalid(file::unreadable(&path.value, &error).what),
    }
    let files = CredentialFiles {
        provider: &provider(CipherSuites::Default),
        role: Role::Acme(domain),
        certificate: path,
        private_key: &PrivateKey::File(path.clone()),
        password: None,
        in_use,
        tokens: &Patience::default(),
        now,
    };
    let mut found = Vec::new();
    let loaded = load_credential(&files, &mut found);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|problem| problem.severity == Severity::Error);
    match (loaded, errors.into_iter().next()) {
        (Some(loaded), None) => {
            problems.extend(warnings);
            AcmeFile::Valid(loaded)
        }
        (_, error) => AcmeFile::Invalid(error.map(|error| error.what).unwrap_or_default()),
    }
}

/// A certificate that was ordered. Its validity may have passed.
#[derive(Debug)]
pub struct Issued {
    /// Of the certificate, without its chain.
    pub validity: Validity,
    /// The certificate in DER.
    pub certificate: CertificateDer<'static>,
}

/// The certificate in a file for this domain.
#[must_use]
pub fn issued(file: &Spanned<PathBuf>, domain: &str, now: Timestamp) -> AcmeFile<Issued> {
    match load_acme(file, domain, InUse::AtStart, now, &mut Vec::new()) {
        AcmeFile::Valid((credential, _)) => {
            let Some(leaf) = credential.cert.first() else { return AcmeFile::Missing };
            match ClientCertificate::from_chain(std::slice::from_ref(leaf)) {
                Ok(certificate) => {
                    AcmeFile::Valid(Issued { validity: certificate.validity(), certificate: leaf.clone() })
                }
                Err(error) => AcmeFile::Invalid(error.to_string()),
            }
        }
        AcmeFile::Missing => AcmeFile::Missing,
        AcmeFile::Invalid(why) => AcmeFile::Invalid(why),
    }
}
