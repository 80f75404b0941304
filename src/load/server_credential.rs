//! A domain's own certificate and key, out of files.

mod fitness;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    crypto::CryptoProvider,
    sign::{CertifiedKey, SigningKey},
};
use rustls_pki_types::CertificateDer;
use sha2::Digest;

use super::pem::{certificates_beside_key, read_certificates, unusable};
use crate::{
    clock::Timestamp,
    config::{Fault, Problem, Spanned, file},
    identity::ClientCertificate,
    pem,
    text::suggest,
    tls::ServerCredential,
};

/// Loads a domain's certificate and key, and checks that they belong together and that the
/// certificate is current and names the domain. Gives the SHA-256 of the key's file too, to know another key by.
///
/// `in_force` are the certificates that the running edge serves with: the expiry of one of them does not keep other changes from
/// taking effect.
pub(super) fn server_credential(
    provider: &CryptoProvider,
    domain: &str,
    certificate: &Spanned<PathBuf>,
    private_key: &Spanned<PathBuf>,
    in_force: &[&CertificateDer<'static>],
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> Option<(ServerCredential, [u8; 32])> {
    let in_one = is_one_file(&certificate.value, &private_key.value);
    if !in_one && are_swapped(&certificate.value, &private_key.value) {
        let (key, own) = (certificate.value.display(), private_key.value.display());
        let what = format!("{key} holds the private key, and {own} the certificate");
        problems.push(
            Problem::error(&certificate.span, "domain.certificate", what)
                .help("swap certificate and private_key"),
        );
        return None;
    }
    let chain = match chain(&certificate.value, in_one) {
        Ok(chain) => Some(chain),
        Err(fault) => {
            let help = if in_one {
                "certificate and private_key name one file: give each its own file, or put both into this one"
            } else {
                "give a PEM file with the server's certificate first, then its intermediates"
            };
            problems.push(fault.or_help(help).at(&certificate.span, "domain.certificate"));
            None
        }
    };
    let key = key(provider, private_key, in_one, problems);
    let (chain, (key, key_file)) = (chain?, key?);
    let own = own_certificate(&chain, &key);
    let credential = CertifiedKey::new(chain, key);
    let keys_match = match credential.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => true,
        Err(_) => own == Some(0),
    };
    // What names and purpose a certificate lacks says nothing if it is not the server's.
    let for_domain = (keys_match || own.is_some()).then_some(domain);
    fitness::judge(
        &credential.cert,
        own.unwrap_or_default(),
        for_domain,
        certificate,
        in_force,
        now,
        problems,
    );
    match own {
        _ if keys_match => Some((Arc::new(credential), key_file)),
        Some(number) => {
            problems.push(out_of_order(&credential.cert, number, certificate, private_key));
            None
        }
        None => {
            let (key, certificate) = (private_key.value.display(), certificate.value.display());
            let what = format!("{key} is not the key of the first certificate in {certificate}");
            let help = format!(
                "name the key that the certificate was issued for: `openssl pkey -in {} -pubout` and `openssl x509 -in {} -noout -pubkey` must print the same",
                suggest::shell_word(&key.to_string()),
                suggest::shell_word(&certificate.to_string()),
            );
            problems.push(Problem::error(&private_key.span, "domain.private_key", what).help(help));
            None
        }
    }
}

/// Whether each file holds what the other one is for.
fn are_swapped(certificate: &Path, key: &Path) -> bool {
    let holds_key = |path: &Path| {
        file::read_with_mode(path, file::LIMIT).is_ok_and(|content| pem::private_key(&content.bytes).is_ok())
    };
    // A certificate's file is read twice only if it is none.
    read_certificates(certificate).is_err() && holds_key(certificate) && read_certificates(key).is_ok()
}

/// Which of the certificates the key belongs to, from 0.
///
/// rustls compares them too, but of certificates of version 3 alone.
fn own_certificate(chain: &[CertificateDer<'static>], key: &Arc<dyn SigningKey>) -> Option<usize> {
    let public_key = key.public_key()?;
    chain.iter().position(|certificate| {
        ClientCertificate::from_chain(std::slice::from_ref(certificate))
            .is_ok_and(|certificate| certificate.spki_der() == public_key.as_ref())
    })
}

/// That the key is right, and the certificate that it belongs to not the first.
fn out_of_order(
    chain: &[CertificateDer<'static>],
    own: usize,
    certificate: &Spanned<PathBuf>,
    private_key: &Spanned<PathBuf>,
) -> Problem {
    let what = format!(
        "{} begins with another certificate than the server's: {} is the key of certificate {} of {}",
        certificate.value.display(),
        private_key.value.display(),
        own + 1,
        chain.len()
    );
    let subject = chain.get(own..=own).and_then(|own| ClientCertificate::from_chain(own).ok());
    let name = subject.map(|own| format!(" ({})", own.subject().to_rfc4514())).unwrap_or_default();
    Problem::error(&certificate.span, "domain.certificate", what).help(format!(
        "move certificate {}{name} to the top of the file, and let each one be followed by the CA that issued it",
        own + 1
    ))
}

/// Whether the certificate and the key are in one file, as HAProxy has them.
fn is_one_file(certificate: &Path, key: &Path) -> bool {
    let followed = |path: &Path| path.canonicalize().ok();
    certificate == key || followed(certificate).is_some_and(|file| followed(key) == Some(file))
}

fn chain(path: &Path, with_key: bool) -> Result<Vec<CertificateDer<'static>>, Fault> {
    if !with_key {
        return read_certificates(path);
    }
    let content = file::read_with_mode(path, file::LIMIT).map_err(|error| file::unreadable(path, &error))?;
    certificates_beside_key(path, &content.bytes)
}

fn key(
    provider: &CryptoProvider,
    written: &Spanned<PathBuf>,
    with_certificates: bool,
    problems: &mut Vec<Problem>,
) -> Option<(Arc<dyn SigningKey>, [u8; 32])> {
    const KEY: &str = "domain.private_key";
    let path = &written.value;
    let (loaded, mode) = load_key(provider, path, with_certificates);
    if let Some(mode) = mode.filter(|mode| mode & 0o007 != 0) {
        let shown = path.display();
        let what = format!("{shown} can be read by others (mode {mode:03o})");
        problems.push(Problem::warning(&written.span, KEY, what).help(format!("run: chmod 600 {shown}")));
    }
    loaded.map_err(|fault| problems.push(fault.at(&written.span, KEY))).ok()
}

type LoadedKey = (Arc<dyn SigningKey>, [u8; 32]);

/// The key with the hash of its file, and the mode of the very file that was read.
fn load_key(
    provider: &CryptoProvider,
    path: &Path,
    with_certificates: bool,
) -> (Result<LoadedKey, Fault>, Option<u32>) {
    let content = match file::read_with_mode(path, file::LIMIT) {
        Ok(content) => content,
        Err(error) => {
            let help = "name the file with the certificate's private key; a relative path begins at the folder of edge.toml";
            return (Err(file::unreadable(path, &error).or_help(help)), None);
        }
    };
    let key = if with_certificates {
        pem::private_key_beside_certificates(&content.bytes)
    } else {
        pem::private_key(&content.bytes)
    };
    let loaded = key.map_err(|fault| unusable(path, &fault)).and_then(|key| {
        // What the library says of it is no help to anybody.
        let unusable = " holds a private key that TLS cannot use, expected RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519";
        provider.key_provider.load_private_key(key).map_err(|_| file::fault(path, unusable))
    });
    let hash = sha2::Sha256::digest(&*content.bytes).into();
    let help = "give an RSA, ECDSA or Ed25519 key in PKCS#8, PKCS#1 or SEC1 PEM, without a password";
    (loaded.map(|key| (key, hash)).map_err(|fault| fault.or_help(help)), Some(content.mode))
}
