//! Loads a certificate and its private key from files: a domain's own, or those that the edge shows to an upstream.

mod checks;
mod format;
mod key;
mod keystore;

pub(super) use checks::{ACME_HELP, is_named};
pub(super) use key::{Password, load_plain_key};

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    crypto::CryptoProvider,
    sign::{CertifiedKey, SigningKey},
};
use rustls_pki_types::CertificateDer;

use super::{
    pem::{certificates_beside_key, read_certificates},
    token::{LoadedKey, TokenUse, load_token_key},
};
use crate::{
    clock::Timestamp,
    config::{Fault, Problem, Spanned, file, settings::PrivateKey},
    identity::ClientCertificate,
    pem,
    pkcs11::{Patience, Side},
    text::suggest,
    tls::ServerCredential,
};

/// What a certificate is used for.
#[derive(Clone, Copy)]
pub(super) enum Role<'a> {
    /// The certificate of the domain with this DNS name.
    Server(&'a str),
    /// The same, ordered by ACME.
    Acme(&'a str),
    /// The certificate of the admin address.
    Admin,
    /// The edge's own towards an upstream.
    Client,
}

impl Role<'_> {
    /// The key that names the certificate.
    const fn certificate_key(self) -> &'static str {
        match self {
            Self::Server(_) => "domain.certificate",
            Self::Admin => "admin.certificate",
            Self::Acme(_) => "domain.acme",
            Self::Client => "upstream.client_certificate",
        }
    }

    /// The key that names the private key.
    const fn private_key_key(self) -> &'static str {
        match self {
            Self::Server(_) => "domain.private_key",
            Self::Admin => "admin.private_key",
            Self::Acme(_) => "domain.acme",
            Self::Client => "upstream.private_key",
        }
    }

    /// The key with the password of the private key.
    const fn password_key(self) -> &'static str {
        match self {
            Self::Server(_) => "domain.private_key_password",
            Self::Admin => "admin.private_key_password",
            Self::Acme(_) => "domain.acme",
            Self::Client => "upstream.private_key_password",
        }
    }

    /// The heading of the table.
    const fn table(self) -> &'static str {
        match self {
            Self::Server(_) | Self::Acme(_) => "[[domain]]",
            Self::Admin => "[admin]",
            Self::Client => "[[upstream]]",
        }
    }

    /// A name for its files in examples.
    const fn file_name(self) -> &'static str {
        match self {
            Self::Server(_) | Self::Acme(_) => "server",
            Self::Admin => "admin",
            Self::Client => "edge",
        }
    }

    /// The name of the certificate's key, without its table.
    fn certificate_name(self) -> &'static str {
        self.certificate_key().rsplit('.').next().unwrap_or_default()
    }

    /// Who judges the certificate, for messages.
    const fn peers(self) -> &'static str {
        match self {
            Self::Server(_) | Self::Acme(_) => "clients",
            Self::Admin => "operators",
            Self::Client => "the upstream",
        }
    }

    /// Whose certificate it is, for messages.
    const fn owner(self) -> &'static str {
        match self {
            Self::Server(_) | Self::Acme(_) | Self::Admin => "the server's certificate",
            Self::Client => "the edge's client certificate",
        }
    }
}

/// A certificate with its key, and the SHA-256 hash of the key's file, which changes with the key.
pub(super) type LoadedCredential = (ServerCredential, [u8; 32]);

/// Where a certificate and key are configured, and what they are checked against.
pub(super) struct CredentialFiles<'a> {
    /// Loads the private key.
    pub(super) provider: &'a CryptoProvider,
    /// What they are used for.
    pub(super) role: Role<'a>,
    /// The PEM chain, or a keystore with the key.
    pub(super) certificate: &'a Spanned<PathBuf>,
    /// The key; possibly in the file of the certificate.
    pub(super) private_key: &'a PrivateKey,
    /// Decrypts the key.
    pub(super) password: Option<&'a Password<'a>>,
    /// What the edge does with a certificate that is not valid now.
    pub(super) in_use: InUse<'a>,
    /// How long tokens may take.
    pub(super) tokens: &'a Patience,
    /// The time to check validity at.
    pub(super) now: Timestamp,
}

/// Which certificates are used although they are not valid now, and which keys need no password.
#[derive(Clone, Copy)]
pub(super) enum InUse<'a> {
    /// Any certificate that has expired, and no key.
    AtStart,
    /// Those that the running edge uses.
    Running(&'a [LoadedCredential]),
}

impl<'a> InUse<'a> {
    fn tolerates(self, certificate: &CertificateDer<'static>, has_expired: bool) -> bool {
        match self {
            Self::AtStart => has_expired,
            Self::Running(active) => active.iter().any(|(own, _)| own.cert.first() == Some(certificate)),
        }
    }

    /// The active credential with this hash: a reload does not derive the key of an unchanged file again.
    fn opened(self, hash: &[u8; 32]) -> Option<&'a ServerCredential> {
        match self {
            Self::AtStart => None,
            Self::Running(active) => {
                active.iter().find(|(_, other)| other == hash).map(|(credential, _)| credential)
            }
        }
    }
}

/// Loads a certificate and key. Checks that they belong together, and that peers will accept the certificate.
pub(super) fn load_credential(
    files: &CredentialFiles<'_>,
    problems: &mut Vec<Problem>,
) -> Option<LoadedCredential> {
    let CredentialFiles { certificate, private_key, role, .. } = *files;
    let key_file = match private_key {
        PrivateKey::File(file) => Some(&file.value),
        PrivateKey::Token(_) => None,
    };
    let is_shared = key_file.is_some_and(|file| is_one_file(&certificate.value, file));
    if let Some(own) = key_file.filter(|file| !is_shared && are_swapped(&certificate.value, file)) {
        let (key, own) = (certificate.value.display(), own.display());
        let what = format!("{key} contains the private key, and {own} the certificate");
        problems.push(
            Problem::error(&certificate.span, role.certificate_key(), what)
                .help(format!("swap {} and private_key", role.certificate_name())),
        );
        return None;
    }
    let keystore = if let PrivateKey::File(file) = private_key
        && is_shared
    {
        format::content(&certificate.value).map(|content| (file, content))
    } else {
        None
    };
    let (chain, (key, key_file)) = match keystore {
        Some((file, content)) => keystore::load(files, file, &content, problems)?,
        None => load_pem(files, is_shared, problems)?,
    };
    let own = find_certificate_of(&chain, &key);
    let credential = CertifiedKey::new(chain, key);
    let keys_match = match credential.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => true,
        Err(_) => own == Some(0),
    };
    // The names and the purpose matter only if the certificate is the key's.
    let is_own = keys_match || own.is_some();
    checks::check_chain(&credential.cert, own.unwrap_or_default(), is_own, files, problems);
    match own {
        _ if keys_match => Some((Arc::new(credential), key_file)),
        Some(number) => {
            problems.push(out_of_order(&credential.cert, number, files));
            None
        }
        None => {
            let certificate = certificate.value.display();
            let key = private_key;
            let what = format!("{key} is not the key of the first certificate in {certificate}");
            let help = format!(
                "use the key that the certificate was issued for: `openssl pkey -in {} -pubout` and `openssl x509 -in {} -noout -pubkey` must print the same",
                suggest::shell_word(&key.to_string()),
                suggest::shell_word(&certificate.to_string()),
            );
            problems.push(Problem::error(private_key.span(), role.private_key_key(), what).help(help));
            None
        }
    }
}

/// Loads the chain from PEM, and the key from PEM or a token.
fn load_pem(
    files: &CredentialFiles<'_>,
    is_shared: bool,
    problems: &mut Vec<Problem>,
) -> Option<(Vec<CertificateDer<'static>>, LoadedKey)> {
    let (certificate, role) = (files.certificate, files.role);
    let chain = match read_chain(&certificate.value, is_shared) {
        Ok(chain) => Some(chain),
        Err(fault) => {
            let name = role.certificate_name();
            let help = if is_shared {
                format!("{name} and private_key name the same file: use two files, or put both into this one")
            } else {
                format!("provide a PEM file with {} first, then its intermediates", role.owner())
            };
            let fault = format::advice(fault.or_help(help), &certificate.value, "private_key");
            problems.push(fault.at(&certificate.span, role.certificate_key()));
            None
        }
    };
    let key = match files.private_key {
        PrivateKey::File(file) => key::load_key(files, file, is_shared, problems),
        PrivateKey::Token(key) => {
            let side = if matches!(role, Role::Client) { Side::Client } else { Side::Server };
            let of = TokenUse { name: role.private_key_key(), side, patience: files.tokens, now: files.now };
            chain.as_deref().and_then(|chain| load_token_key(key, of, chain, problems))
        }
    };
    Some((chain?, key?))
}

/// Whether the certificate's file contains the key, and the key's file the certificate.
fn are_swapped(certificate: &Path, key: &Path) -> bool {
    let has_key = |path: &Path| {
        file::read_with_mode(path, file::LIMIT)
            .is_ok_and(|content| pem::private_key_or_encrypted(&content.bytes, false).is_ok())
    };
    // In this order a valid certificate is not read as a key.
    read_certificates(certificate).is_err() && has_key(certificate) && read_certificates(key).is_ok()
}

/// The index, from 0, of the first certificate that the key belongs to.
fn find_certificate_of(chain: &[CertificateDer<'static>], key: &Arc<dyn SigningKey>) -> Option<usize> {
    certificates_of(chain, key).next().map(|(index, _)| index)
}

/// The certificates that the key belongs to, by their indices, from 0.
///
/// rustls compares them too, but only for version 3 certificates.
fn certificates_of(
    chain: &[CertificateDer<'static>],
    key: &Arc<dyn SigningKey>,
) -> impl Iterator<Item = (usize, ClientCertificate)> {
    let public_key = key.public_key();
    chain.iter().enumerate().filter_map(move |(index, certificate)| {
        let certificate = ClientCertificate::from_chain(std::slice::from_ref(certificate)).ok()?;
        let is_own = certificate.spki_der() == public_key.as_ref()?.as_ref();
        is_own.then_some((index, certificate))
    })
}

/// The error that the certificate of the key is in the file, but not the first.
fn out_of_order(chain: &[CertificateDer<'static>], own: usize, files: &CredentialFiles<'_>) -> Problem {
    let what = format!(
        "{} does not begin with {}: {} is the key of certificate {} of {}",
        files.certificate.value.display(),
        files.role.owner(),
        files.private_key,
        own + 1,
        chain.len()
    );
    let subject = chain.get(own..=own).and_then(|own| ClientCertificate::from_chain(own).ok());
    let name = subject.map(|own| format!(" ({})", own.subject().to_rfc4514())).unwrap_or_default();
    Problem::error(&files.certificate.span, files.role.certificate_key(), what).help(format!(
        "move certificate {}{name} to the top of the file, and put each issuer after the certificate that it issued",
        own + 1
    ))
}

/// Whether the certificate and the key are in one file, as HAProxy expects them.
fn is_one_file(certificate: &Path, key: &Path) -> bool {
    let resolved = |path: &Path| path.canonicalize().ok();
    certificate == key || resolved(certificate).is_some_and(|file| resolved(key) == Some(file))
}

fn read_chain(path: &Path, with_key: bool) -> Result<Vec<CertificateDer<'static>>, Fault> {
    if !with_key {
        return read_certificates(path);
    }
    let content = file::read_with_mode(path, file::LIMIT).map_err(|error| file::unreadable(path, &error))?;
    certificates_beside_key(path, &content.bytes)
}

#[cfg(test)]
mod tests;
