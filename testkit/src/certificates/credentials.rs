//! A certificate chain with its private key.

use std::path::Path;

use rcgen::KeyPair;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};

/// A certificate chain, leaf first, with the leaf's key.
#[derive(Debug)]
pub struct Credentials {
    /// The leaf, then the intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's private key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl Credentials {
    pub(super) fn of(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        Self { chain, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }

    /// Reads PEM files that a tool wrote.
    pub fn read(certificate: &Path, key: &Path) -> Self {
        let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
        Self { chain, key: PrivateKeyDer::from_pem_file(key).unwrap() }
    }

    /// The leaf certificate.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// SHA-256 of the leaf in lower-case hex.
    pub fn thumbprint(&self) -> String {
        Sha256::digest(self.leaf()).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// The chain in PEM.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(pem).collect()
    }

    /// The key in PEM.
    pub fn key_pem(&self) -> String {
        let label = match &self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem_of(label, self.key.secret_der())
    }

    /// Writes `NAME.pem` and `NAME.key` into a folder. Only the owner can read the key, as the edge requires.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), self.chain_pem()).unwrap();
        let key = folder.join(format!("{name}.key"));
        std::fs::write(&key, self.key_pem()).unwrap();
        std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Replaces the intermediates.
    pub fn with_chain(mut self, intermediates: &[CertificateDer<'static>]) -> Self {
        self.chain.truncate(1);
        self.chain.extend_from_slice(intermediates);
        self
    }
}

/// A certificate in PEM.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    pem_of("CERTIFICATE", certificate)
}

fn pem_of(label: &str, der: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
