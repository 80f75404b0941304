//! The certificates of one run: the server's and the clients', with their CAs, all with the same key type.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use rustls::pki_types::CertificateDer;
use testkit::{Ca, Credentials, jws::SigningKey};

use super::contender::DOMAIN;

/// The `client_id` of the application that sends the load, and the CN of its certificate.
pub const CLIENT_ID: &str = "payments";

/// The `client_id` of the application that sends assertions.
pub const ASSERTION_CLIENT_ID: &str = "reports";
/// The issuer for which assertions are made.
pub const ISSUER: &str = "https://auth.example.test/";

/// The kind of all keys, those of the CAs included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keys {
    /// ECDSA over P-256.
    P256,
    /// RSA with 2,048 bits.
    Rsa2048,
}

/// Certificates of clients and the server, as files for proxies and as values for clients.
#[derive(Debug)]
pub struct Certificates {
    /// PEM file.
    pub server_certificate: PathBuf,
    /// PEM file.
    pub server_key: PathBuf,
    /// PEM file: the CA that has issued the client's certificate.
    pub client_ca: PathBuf,
    /// PEM file: the public key of the application that sends assertions.
    pub assertion_key: PathBuf,
    /// The private key of the application that sends assertions: RSA-2048.
    pub assertion_signer: Arc<SigningKey>,
    /// The CA that clients trust.
    pub server_ca: CertificateDer<'static>,
    /// The server's credentials, for the rustls baseline.
    pub server: Credentials,
    /// The application's credentials.
    pub client: Credentials,
    /// Credentials with the same names from an untrusted CA.
    pub stranger: Credentials,
}

impl Certificates {
    /// Generates them into this folder.
    ///
    /// # Errors
    ///
    /// A folder or file that cannot be written.
    pub fn new(folder: &Path, keys: Keys) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let algorithm = match keys {
            Keys::P256 => &PKCS_ECDSA_P256_SHA256,
            Keys::Rsa2048 => &PKCS_RSA_SHA256,
        };
        let (server_ca, client_ca) =
            (Ca::with_keys("Server CA", algorithm), Ca::with_keys("Client CA", algorithm));
        let server = server_ca.server(&[DOMAIN]);
        server.write(folder, "server");
        fs::write(folder.join("client-ca.pem"), client_ca.pem())?;
        let assertion_signer = Arc::new(SigningKey::rsa());
        fs::write(folder.join("assertion.pem"), assertion_signer.public_pem())?;
        Ok(Self {
            server_certificate: folder.join("server.pem"),
            server_key: folder.join("server.key"),
            client_ca: folder.join("client-ca.pem"),
            assertion_key: folder.join("assertion.pem"),
            assertion_signer,
            server_ca: server_ca.der(),
            server,
            client: client_ca.issue(CLIENT_ID, |_| {}),
            stranger: Ca::with_keys("Client CA", algorithm).issue(CLIENT_ID, |_| {}),
        })
    }
}
