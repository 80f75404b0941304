//! Loads a certificate and its key from one PKCS#12 file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::sign::SigningKey;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sha2::Digest;

use super::{
    CredentialFiles, certificates_of,
    key::{hash, no_password, report_mode, usable},
};
use crate::{
    config::{Fault, Problem, Spanned, file},
    identity::{is_issued_by, spki_hash},
    load::token::LoadedKey,
    pbe::{self, Keystore, PbeError},
    text::suggest::shell_word,
};

/// The most certificates of a chain that are served; clients refuse longer ones.
const MAX_CHAIN: usize = 10;

/// Loads the chain, leaf first, and the key.
pub(super) fn load(
    files: &CredentialFiles<'_>,
    place: &Spanned<PathBuf>,
    content: &file::Content,
    problems: &mut Vec<Problem>,
) -> Option<(Vec<CertificateDer<'static>>, LoadedKey)> {
    report_mode(files.role, place, Some(content.mode), problems);
    let path = &place.value;
    let read = || {
        let password = files.password.map(|password| password.read(files.role)).transpose()?;
        let hash = hash(&content.bytes, password.as_deref().map_or("", String::as_str));
        if let Some(active) = files.in_use.opened(&hash) {
            if let Some(password) = files.password {
                password.mark_used();
            }
            return Ok((active.cert.clone(), (Arc::clone(&active.key), hash)));
        }
        let mut keystore = open(files, place, &content.bytes, password.as_deref().map(String::as_str))?;
        let at_key = |fault: Fault| fault.at(&place.span, files.role.private_key_key());
        let der = PrivatePkcs8KeyDer::from(std::mem::take(&mut *keystore.key));
        let key = usable(files.provider, path, der.into()).map_err(at_key)?;
        let chain = chain(path, keystore.certificates, &key)
            .map_err(|fault| fault.at(&files.certificate.span, files.role.certificate_key()))?;
        // A password that protects nothing stays superfluous.
        let hash = if keystore.is_protected { hash } else { sha2::Sha256::digest(&*content.bytes).into() };
        Ok((chain, (key, hash)))
    };
    read().map_err(|problem| problems.push(problem)).ok()
}

/// Opens a keystore with the configured password, or with an empty one.
fn open(
    files: &CredentialFiles<'_>,
    place: &Spanned<PathBuf>,
    bytes: &[u8],
    password: Option<&str>,
) -> Result<Keystore, Problem> {
    let (role, path) = (files.role, &place.value);
    let opened = pbe::open(bytes, password.unwrap_or_default());
    let file = path.display().to_string();
    match (opened, files.password) {
        (Ok(keystore), password) => {
            if let Some(password) = password.filter(|_| keystore.is_protected) {
                password.mark_used();
            }
            Ok(keystore)
        }
        (Err(PbeError::WrongPassword), Some(password)) => Err(password.wrong(role, path, "openssl pkcs12")),
        (Err(PbeError::WrongPassword), None) => {
            let shown = shell_word(&file);
            let otherwise = format!(
                "remove the password: openssl pkcs12 -in {shown} -noenc -out {shown}.pem (with -legacy for a file of older programs), and name that file as {} and private_key",
                role.certificate_name()
            );
            Err(no_password(role, place, " is a PKCS#12 file that is encrypted with a password", &otherwise))
        }
        (Err(error), _) => {
            let fault = Fault { help: error.keystore_help(&file), ..file::fault(path, error) };
            Err(fault.at(&place.span, role.private_key_key()))
        }
    }
}

/// The certificate of the key, and then each one's issuer. Of several for the key, such as before and after a renewal, it is the one that
/// expires last. Other certificates are left out.
fn chain(
    path: &Path,
    mut certificates: Vec<CertificateDer<'static>>,
    key: &Arc<dyn SigningKey>,
) -> Result<Vec<CertificateDer<'static>>, Fault> {
    for (index, certificate) in certificates.iter().enumerate() {
        spki_hash(certificate).map_err(|error| {
            file::fault(path, format_args!(": certificate {} cannot be used: {error}", index + 1))
        })?;
    }
    let of_key = certificates_of(&certificates, key);
    let (leaf, _) =
        of_key.max_by_key(|(_, certificate)| certificate.validity().not_after).ok_or_else(|| {
            file::fault(path, ": none of its certificates belongs to its private key")
                .help("export the private key again, together with its certificate")
        })?;
    let mut chain = vec![certificates.remove(leaf)];
    while let Some(last) = chain.last().filter(|_| chain.len() < MAX_CHAIN) {
        let is_issuer =
            |other: &&CertificateDer<'static>| !chain.contains(other) && is_issued_by(last, other);
        let Some(issuer) = certificates.iter().find(is_issuer) else { break };
        chain.push(issuer.clone());
    }
    Ok(chain)
}
