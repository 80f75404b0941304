//! TLS of the admin address.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::CertificateDer,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::SingleCertAndKey,
};

use super::{
    options::CipherSuites,
    server::{ServerCredential, provider},
};
use crate::clock::Clock;

/// The parts that the configuration is made from.
#[derive(Clone, Debug)]
pub struct OperatorOptions {
    /// Its chain and key.
    pub credential: ServerCredential,
    /// SHA-256 of the key file, to detect that it has changed.
    pub key_file: [u8; 32],
    /// The CAs that issue to operators; empty: no client certificate is needed.
    pub client_cas: Vec<CertificateDer<'static>>,
}

/// The TLS configuration of the admin address. Sessions are not resumed, so that every connection is judged by its handshake.
#[derive(Debug)]
pub struct OperatorTls {
    config: Arc<ServerConfig>,
    made_from: OperatorOptions,
}

impl OperatorTls {
    /// Builds the configuration, or returns the active one if it was made from the same options.
    ///
    /// # Errors
    ///
    /// If rustls rejects the options, as it does for a client CA that cannot be a root.
    pub fn new(
        options: OperatorOptions,
        active: Option<&Arc<Self>>,
        clock: &Clock,
    ) -> Result<Arc<Self>, rustls::Error> {
        if let Some(active) = active.filter(|active| active.is_made_from(&options)) {
            return Ok(Arc::clone(active));
        }
        let provider = Arc::new(provider(CipherSuites::default()));
        let builder = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(clock.clone()))
            .with_safe_default_protocol_versions()?;
        let builder = if options.client_cas.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for ca in &options.client_cas {
                roots.add(ca.clone())?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(
                verifier.map_err(|error| rustls::Error::General(error.to_string()))?,
            )
        };
        let credential = Arc::clone(&options.credential);
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(credential)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.cert_decompressors = Vec::new();
        Ok(Arc::new(Self { config: Arc::new(config), made_from: options }))
    }

    /// For new connections.
    #[must_use]
    pub const fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// The certificate.
    #[must_use]
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.made_from.credential.cert.first()
    }

    /// The certificate and key, with the hash of the key's file.
    #[must_use]
    pub fn credential(&self) -> (ServerCredential, [u8; 32]) {
        (Arc::clone(&self.made_from.credential), self.made_from.key_file)
    }

    fn is_made_from(&self, options: &OperatorOptions) -> bool {
        let OperatorOptions { credential, key_file, client_cas } = &self.made_from;
        credential.cert == options.credential.cert
            && *key_file == options.key_file
            && *client_cas == options.client_cas
    }
}
