//! A domain's own certificate and key, out of files.

use std::{path::PathBuf, sync::Arc};

use rustls::{crypto::CryptoProvider, sign::CertifiedKey};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use sha2::Digest;

use crate::{
    config::{Located, Problem, file},
    identity::ClientCertificate,
    trust::read_certificates,
};

/// A server's chain with the key that belongs to it.
pub type ServerCredential = Arc<CertifiedKey>;

/// Loads a domain's certificate and key, and checks that they belong together and that the
/// certificate is current and names the domain. Gives the SHA-256 of the key's file too, to know another key by.
pub fn server_credential(
    provider: &CryptoProvider,
    domain: &str,
    certificate: &Located<PathBuf>,
    private_key: &Located<PathBuf>,
    problems: &mut Vec<Problem>,
) -> Option<(ServerCredential, [u8; 32])> {
    let chain = match read_certificates(&certificate.value) {
        Ok(chain) => Some(chain),
        Err(error) => {
            let what = format!("{} {error}", certificate.value.display());
            problems.push(
                Problem::error(&certificate.place, "domain.certificate", what)
                    .help("give a PEM file with the server's certificate first, then its intermediates"),
            );
            None
        }
    };
    let key = key(provider, private_key, problems);
    let (chain, (key, key_file)) = (chain?, key?);
    if let Ok(leaf) = ClientCertificate::from_chain(chain.get(..1).unwrap_or_default()) {
        advise(&leaf, domain, certificate, problems);
    }
    let credential = CertifiedKey::new(chain, key);
    match credential.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Some((Arc::new(credential), key_file))
        }
        Err(_) => {
            let what = format!(
                "{} is not the key of the first certificate in {}",
                private_key.value.display(),
                certificate.value.display()
            );
            problems.push(
                Problem::error(&private_key.place, "domain.private_key", what)
                    .help("the server's own certificate must stand first in its file"),
            );
            None
        }
    }
}

fn key(
    provider: &CryptoProvider,
    written: &Located<PathBuf>,
    problems: &mut Vec<Problem>,
) -> Option<(Arc<dyn rustls::sign::SigningKey>, [u8; 32])> {
    const KEY: &str = "domain.private_key";
    let shown = written.value.display();
    let bytes = match file::read(&written.value, file::LIMIT) {
        Ok(bytes) => zeroize::Zeroizing::new(bytes),
        Err(error) => {
            problems.push(Problem::error(&written.place, KEY, format!("{shown} can't be read: {error}")));
            return None;
        }
    };
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(&written.value) {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            problems.push(
                Problem::warning(
                    &written.place,
                    KEY,
                    format!("{shown} can be read by others (mode {mode:03o})"),
                )
                .help(format!("run: chmod 600 {shown}")),
            );
        }
    }
    let loaded = PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|error| format!("{shown} holds no private key in PEM: {error}"))
        .and_then(|key| {
            provider
                .key_provider
                .load_private_key(key)
                .map_err(|error| format!("{shown} holds a private key that can't be used: {error}"))
        });
    let hash = sha2::Sha256::digest(&bytes).into();
    loaded
        .map(|key| (key, hash))
        .map_err(|what| {
            problems.push(
                Problem::error(&written.place, KEY, what).help(
                    "give an RSA, ECDSA or Ed25519 key in PKCS#8, PKCS#1 or SEC1 PEM, without a password",
                ),
            );
        })
        .ok()
}

/// What works but will not for long, or not for every client.
fn advise(leaf: &ClientCertificate, domain: &str, file: &Located<PathBuf>, problems: &mut Vec<Problem>) {
    const KEY: &str = "domain.certificate";
    let now = i64::try_from(rustls_pki_types::UnixTime::now().as_secs()).unwrap_or(i64::MAX);
    let left = leaf.validity().not_after - now;
    if left < 14 * 86_400 {
        let what = if left < 0 {
            format!("{} has expired: clients will refuse it", file.value.display())
        } else {
            format!("{} expires in {} days", file.value.display(), left / 86_400)
        };
        problems.push(Problem::warning(&file.place, KEY, what).help("renew it"));
    }
    let names_domain = webpki::EndEntityCert::try_from(leaf.der())
        .ok()
        .zip(rustls_pki_types::ServerName::try_from(domain).ok());
    if let Some((certificate, name)) = names_domain
        && certificate.verify_is_valid_for_subject_name(&name).is_err()
    {
        let what = format!("{} does not name {domain}: clients will refuse it", file.value.display());
        problems.push(
            Problem::warning(&file.place, KEY, what)
                .help(format!("issue a certificate with the subject alternative name DNS:{domain}")),
        );
    }
}
