//! The server side of ACME's TLS-ALPN-01 validation (RFC 8737): a CA connects with the ALPN protocol `acme-tls/1` alone, and is shown a
//! self-signed certificate with the digest that it expects.
//!
//! No client certificate is requested there, so nothing may be served over such a connection: [`super::accept`] closes it after the
//! handshake. The configurations of domains never select `acme-tls/1`.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::PrivateKeyDer,
    server::{ClientHello, NoServerSessionStorage},
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{options::CipherSuites, server::provider};

/// The ALPN protocol of a validation.
const PROTOCOL: &[u8] = b"acme-tls/1";

/// SHA-256 of a key authorization (RFC 8555 section 8.1), which the certificate of a validation contains.
pub type ChallengeDigest = [u8; 32];

/// The validations that a CA is about to perform, by domain. Clones share them; all workers answer each.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<ArcSwap<Pending>>);

type Pending = BTreeMap<Box<str>, (ChallengeDigest, Arc<ServerConfig>)>;

/// Why a certificate for a validation cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    /// The certificate cannot be signed.
    #[error("cannot make the certificate of a challenge: {0}")]
    Certificate(#[from] rcgen::Error),
    /// rustls does not accept it.
    #[error("cannot use the certificate of a challenge: {0}")]
    Tls(#[from] rustls::Error),
}

impl Challenges {
    /// From now on answers these, and no others. Costs nothing if they are the same.
    ///
    /// # Errors
    ///
    /// If a certificate cannot be made. Nothing has changed then.
    pub fn set(&self, digests: &BTreeMap<Box<str>, ChallengeDigest>) -> Result<(), ChallengeError> {
        let before = self.0.load();
        if before.iter().map(|(name, (digest, _))| (name, digest)).eq(digests) {
            return Ok(());
        }
        let mut pending = Pending::new();
        for (name, digest) in digests {
            let config = match before.get(name) {
                Some((same, config)) if same == digest => Arc::clone(config),
                _ => Arc::new(config(name, digest)?),
            };
            pending.insert(name.clone(), (*digest, config));
        }
        self.0.store(Arc::new(pending));
        Ok(())
    }

    /// The configuration for the validation of this domain, if one is pending.
    pub(super) fn config(&self, name: &str) -> Option<Arc<ServerConfig>> {
        self.0.load().get(name).map(|(_, config)| Arc::clone(config))
    }
}

/// Whether a CA sent this ClientHello to validate the server name: it offers `acme-tls/1` and nothing else (RFC 8737 section 3).
pub(super) fn is_validation(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(PROTOCOL) && offered.next().is_none())
}

/// A configuration whose only use is to show this digest: no session can be resumed.
fn config(name: &str, digest: &ChallengeDigest) -> Result<ServerConfig, ChallengeError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?.der().clone();
    let key = aws_lc_rs::sign::any_supported_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
    // rustls would parse the certificate otherwise, and reject its critical extension.
    let credential = CertifiedKey::new(vec![certificate], key);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider(CipherSuites::Default)))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(credential)));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.cert_decompressors = Vec::new();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_challenges_keep_their_certificate() {
        let challenges = Challenges::default();
        let name: Box<str> = "a.example".into();
        let set = |digests: &[(&str, u8)]| {
            let digests = digests.iter().map(|(name, byte)| ((*name).into(), [*byte; 32])).collect();
            challenges.set(&digests).unwrap();
            challenges.config(&name)
        };
        let first = set(&[("a.example", 1)]).unwrap();
        assert!(Arc::ptr_eq(&first, &set(&[("a.example", 1), ("b.example", 2)]).unwrap()));
        assert!(!Arc::ptr_eq(&first, &set(&[("a.example", 3)]).unwrap()));
        assert!(set(&[]).is_none());
    }

    #[test]
    fn no_session_of_a_validation_can_be_resumed() {
        let config = config("a.example", &[0; 32]).unwrap();
        assert!(!config.session_storage.can_cache() && !config.ticketer.enabled());
        assert_eq!((config.send_tls13_tickets, config.max_early_data_size), (0, 0));
        assert_eq!(config.alpn_protocols, [PROTOCOL]);
    }
}
