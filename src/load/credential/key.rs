//! Reads private keys, and decrypts them by `private_key_password`.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{crypto::CryptoProvider, sign::SigningKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::Digest;
use zeroize::Zeroizing;

use super::{CredentialFiles, Role, format};
use crate::{
    config::{Fault, Problem, Spanned, file, settings::SecretSource},
    load::{
        pem::{self, invalid_content},
        secret::secret_text,
        token::LoadedKey,
    },
    pbe::{self, PbeError},
    pem::PrivateKey,
    text::suggest::shell_word,
};

/// `private_key_password`: read if something is encrypted.
pub(in crate::load) struct Password<'a> {
    source: &'a Spanned<SecretSource>,
    is_used: Cell<bool>,
}

impl<'a> Password<'a> {
    pub(in crate::load) const fn new(source: &'a Spanned<SecretSource>) -> Self {
        Self { source, is_used: Cell::new(false) }
    }

    /// Records that something is encrypted.
    pub(super) fn mark_used(&self) {
        self.is_used.set(true);
    }

    /// Warns if nothing was encrypted.
    pub(in crate::load) fn report_unused(&self, role: Role<'_>, problems: &mut Vec<Problem>) {
        if !self.is_used.get() {
            let what = "private_key_password is superfluous: the private key is not encrypted";
            let warning = Problem::warning(&self.source.span, role.password_key(), what);
            problems.push(warning.help("remove private_key_password"));
        }
    }

    /// The password: one line, whose spaces belong to it.
    pub(super) fn read(&self, role: Role<'_>) -> Result<Zeroizing<String>, Problem> {
        let read = || {
            let (text, place) = secret_text(&self.source.value)?;
            let mut lines = text.lines();
            let line = lines.next().unwrap_or_default();
            if lines.any(|line| !line.trim().is_empty()) {
                return Err(Fault::new(format!("{place} has several lines, expected the password alone")));
            }
            if line.is_empty() {
                let fault = Fault::new(format!("{place} is empty, expected a password"));
                return Err(fault
                    .help("write the password on the first line; without one remove private_key_password"));
            }
            Ok(Zeroizing::new(line.to_owned()))
        };
        read().map_err(|fault: Fault| {
            fault
                .or_help("write the password on one line, in UTF-8")
                .at(&self.source.span, role.password_key())
        })
    }

    /// The problem that something cannot be decrypted. `command` shows the content of the file if the password is right.
    pub(super) fn wrong(&self, role: Role<'_>, path: &Path, command: &str) -> Problem {
        let from = match &self.source.value {
            SecretSource::File(path) => format!("file:{}", path.display()),
            SecretSource::Env(name) => format!("env:{name}"),
        };
        let place = match &self.source.value {
            SecretSource::File(path) => path.display().to_string(),
            SecretSource::Env(name) => format!("the environment variable {name}"),
        };
        let file = path.display().to_string();
        let is_keystore = command.contains("pkcs12");
        let legacy = if is_keystore { " (with -legacy for a file of older programs)" } else { "" };
        file::fault(path, PbeError::WrongPassword)
            .help(format!(
                "write the right password into {place} (spaces count); to try it: {command} -in {} -noout -passin {}{legacy}",
                shell_word(&file),
                shell_word(&from)
            ))
            .at(&self.source.span, role.password_key())
    }
}

/// The problem that a file is encrypted, and no password configured. `what` follows the file's name; `otherwise` removes the password.
pub(super) fn no_password(role: Role<'_>, place: &Spanned<PathBuf>, what: &str, otherwise: &str) -> Problem {
    let help = format!(
        "write under {}: private_key_password = {{ file = \"secrets/{}.pass\" }}, and the password into that file; or {otherwise}",
        role.table(),
        role.file_name()
    );
    file::fault(&place.value, what).help(help).at(&place.span, role.private_key_key())
}

/// Loads the key of these files. A key that others can read is a warning.
pub(super) fn load_key(
    files: &CredentialFiles<'_>,
    place: &Spanned<PathBuf>,
    with_certificates: bool,
    problems: &mut Vec<Problem>,
) -> Option<LoadedKey> {
    let path = &place.value;
    let (read, mode) = read_key(path, with_certificates);
    report_mode(files.role, place, mode, problems);
    let at_key = |fault: Fault| fault.at(&place.span, files.role.private_key_key());
    let read = read.map_err(|fault| format::advice(fault, path, files.role.certificate_name()));
    let loaded = read.map_err(at_key).and_then(|(key, hash)| match key {
        PrivateKey::Plain(key) => Ok((usable(files.provider, path, key).map_err(at_key)?, hash)),
        PrivateKey::Encrypted { der, line } => decrypt(files, place, &der, line),
    });
    loaded.map_err(|problem| problems.push(problem)).ok()
}

/// Warns if others can read the file of the private key.
pub(super) fn report_mode(
    role: Role<'_>,
    place: &Spanned<PathBuf>,
    mode: Option<u32>,
    problems: &mut Vec<Problem>,
) {
    let key = role.private_key_key();
    if let Some(mode) = mode.filter(|mode| mode & 0o007 != 0) {
        let what = format!("{} can be read by others (mode {mode:03o})", place.value.display());
        problems.push(Problem::warning(&place.span, key, what).help(file::chmod("o=", &place.value)));
    }
}

/// Decrypts a key that begins on this line of its file.
fn decrypt(
    files: &CredentialFiles<'_>,
    place: &Spanned<PathBuf>,
    der: &[u8],
    line: usize,
) -> Result<LoadedKey, Problem> {
    let path = &place.value;
    let Some(password) = files.password else {
        let fault = crate::pem::encrypted_key(line);
        let what = format!(", line {line}: found a private key that is encrypted with a password");
        let otherwise = fault.help_for(&path.display().to_string()).unwrap_or_default();
        return Err(no_password(files.role, place, &what, &otherwise));
    };
    password.mark_used();
    let text = password.read(files.role)?;
    let hash = hash(der, &text);
    if let Some(active) = files.in_use.opened(&hash) {
        return Ok((Arc::clone(&active.key), hash));
    }
    let at_key = |fault: Fault| fault.at(&place.span, files.role.private_key_key());
    match pbe::decrypt_private_key(der, &text) {
        Ok(mut key) => {
            let key = PrivatePkcs8KeyDer::from(std::mem::take(&mut *key)).into();
            Ok((usable(files.provider, path, key).map_err(at_key)?, hash))
        }
        Err(PbeError::WrongPassword) => Err(password.wrong(files.role, path, "openssl pkey")),
        Err(error) => {
            let help = error.key_help(&path.display().to_string());
            let fault = Fault { help, ..file::fault(path, error) };
            Err(at_key(fault))
        }
    }
}

/// Of what is encrypted, with its password: what has the same hash contains the same key.
pub(super) fn hash(encrypted: &[u8], password: &str) -> [u8; 32] {
    let password = sha2::Sha256::digest(password);
    sha2::Sha256::new().chain_update(password).chain_update(encrypted).finalize().into()
}

/// Loads a key without a password.
pub(in crate::load) fn load_plain_key(
    provider: &CryptoProvider,
    path: &Path,
) -> Result<Arc<dyn SigningKey>, Fault> {
    match read_key(path, false).0?.0 {
        PrivateKey::Plain(key) => usable(provider, path, key),
        PrivateKey::Encrypted { line, .. } => Err(invalid_content(path, &crate::pem::encrypted_key(line))),
    }
}

/// A private key that may be encrypted, and the SHA-256 hash of its file.
type ReadKey = (PrivateKey, [u8; 32]);

/// The private key of a file, and the mode of the file that was read.
fn read_key(path: &Path, with_certificates: bool) -> (Result<ReadKey, Fault>, Option<u32>) {
    let content = match file::read_with_mode(path, file::LIMIT) {
        Ok(content) => content,
        Err(error) => {
            let help = "name the file with the certificate's private key; a relative path starts at the folder of edge.toml";
            return (Err(file::unreadable(path, &error).or_help(help)), None);
        }
    };
    let hash = sha2::Sha256::digest(&*content.bytes).into();
    let key = crate::pem::private_key_or_encrypted(&content.bytes, with_certificates);
    let help = "provide an RSA, ECDSA or Ed25519 key in PEM: PKCS#8, PKCS#1 or SEC1";
    let key = key.map_err(|fault| pem::invalid_content(path, &fault).or_help(help));
    (key.map(|key| (key, hash)), Some(content.mode))
}

/// A key as TLS uses it.
pub(super) fn usable(
    provider: &CryptoProvider,
    path: &Path,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<dyn SigningKey>, Fault> {
    // The library's own error does not help an operator.
    let unusable = " contains a private key that TLS cannot use, expected RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519";
    provider.key_provider.load_private_key(key).map_err(|_| {
        file::fault(path, unusable).help("generate another key, and request a certificate for it")
    })
}
