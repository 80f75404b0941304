//! The rustls server configuration of one domain.

use std::{sync::Arc, time::Duration};

use rustls::{
    CipherSuite, DistinguishedName, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoServerSessionStorage, ProducesTickets, danger::ClientCertVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use rustls_pki_types::CertificateDer;

use super::{
    configs::ServerConfigs,
    key_type::{KeyType, resolver},
    options::{CipherSuites, ClientAuth, KeyExchangeGroup, MinVersion},
    possession::Possession,
    tickets::{Context, Keys, RandomSecrets, RotatingKeys, SECRET_BYTES, TicketKey, TicketSecrets, Tickets},
};
use crate::{
    clock::{Clock, Timestamp},
    identity::ClientCertificate,
};

/// The certificate chain of a domain with its private key.
pub type ServerCredential = Arc<CertifiedKey>;

/// The parts that a domain's TLS configuration is made from.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The domain's chains and keys, at least one. A client gets the first that it accepts.
    pub credentials: Box<[ServerCredential]>,
    /// SHA-256 of each key file, to detect that it has changed.
    pub key_files: Box<[[u8; 32]]>,
    /// Whether a client certificate is requested.
    pub client_auth: ClientAuth,
    /// The oldest version to accept.
    pub min_version: MinVersion,
    /// The cipher suites to offer.
    pub cipher_suites: CipherSuites,
    /// The key exchange groups to accept, see [`super::TlsSpec`].
    pub key_exchange_groups: Box<[KeyExchangeGroup]>,
    /// The domain's name, to which its tickets are bound.
    pub domain: Box<str>,
    /// How long a session can be resumed after its full handshake.
    pub session_lifetime: Duration,
    /// The secrets from which ticket keys are derived; none: the process makes random keys.
    pub ticket_secrets: Option<TicketSecrets>,
    /// DER subjects of the client CAs that are sent in the certificate request, except while self-signed certificates are
    /// registered (RFC 8705 section 7.2).
    pub hints: Vec<DistinguishedName>,
}

/// The cryptography that the edge uses: aws-lc-rs with these cipher suites; X25519MLKEM768 is preferred.
///
/// AES-128-GCM suites are first, as in Go, BoringSSL and Mozilla's guidelines: their handshakes hash with SHA-256, for which
/// processors have instructions.
#[must_use]
pub fn provider(suites: CipherSuites) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    });
    if suites == CipherSuites::Fapi {
        provider.cipher_suites.retain(|suite| {
            !matches!(
                suite.suite(),
                CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
                    | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                    | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
            )
        });
    }
    provider
}

/// The TLS configurations of a domain, and the options that they were made from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DomainTls {
    with_hints: ServerConfigs,
    /// The same as `with_hints` if there are no hints.
    without_hints: ServerConfigs,
    made_from: Arc<ServerOptions>,
    /// The random ticket keys, if no key file is configured.
    random_keys: Option<Arc<RotatingKeys>>,
}

impl DomainTls {
    /// Builds the configurations. Their ticket keys belong to the domain, so that a session of one domain cannot be resumed on
    /// another. There is no session cache and no early data.
    ///
    /// Random ticket keys are reused from the domain's `former` configuration, so that sessions survive the renewal of a certificate.
    /// They are replaced if client authentication has changed, so that every client does a full handshake under the new rule; the
    /// derivation of shared keys ensures the same. A `former` configuration that was made from the same options is reused.
    ///
    /// # Errors
    ///
    /// If rustls rejects the options, or the system has no random bytes for ticket keys.
    pub fn new(options: ServerOptions, former: Option<&Self>, clock: &Clock) -> Result<Self, rustls::Error> {
        if let Some(former) = former.filter(|former| former.differs_in_hints_only(&options)) {
            return former.with_other_hints(options, clock);
        }
        let context = Context { domain: options.domain.clone(), client_auth: options.client_auth };
        let no_random_bytes = |_| rustls::Error::FailedToGetRandomBytes;
        let rotating = |keys: Arc<RotatingKeys>| (Keys::Rotating(Arc::clone(&keys)), Some(keys));
        let (keys, random_keys) = match (&options.ticket_secrets, former) {
            (Some(secrets), _) => {
                let keys = secrets.iter().map(|secret| TicketKey::derive(secret, &context));
                (Keys::Shared(keys.collect::<Result<_, _>>().map_err(no_random_bytes)?), None)
            }
            (None, Some(Self { random_keys: Some(keys), made_from, .. }))
                if made_from.client_auth == options.client_auth =>
            {
                rotating(Arc::clone(keys))
            }
            (None, _) => {
                rotating(Arc::new(RotatingKeys::new(context, clock.now()).map_err(no_random_bytes)?))
            }
        };
        let tickets = Tickets { keys, lifetime: options.session_lifetime, clock: clock.clone() };
        let without_hints = server_configs(&options, &[], &(Arc::new(tickets) as _), clock)?;
        let with_hints = with_hints(&options, &without_hints, clock)?;
        Ok(Self { with_hints, without_hints, made_from: Arc::new(options), random_keys })
    }

    /// Replaces the hints by those of these options.
    fn with_other_hints(&self, options: ServerOptions, clock: &Clock) -> Result<Self, rustls::Error> {
        if self.made_from.hints.iter().map(AsRef::as_ref).eq(options.hints.iter().map(AsRef::<[u8]>::as_ref))
        {
            return Ok(self.clone());
        }
        let with_hints = with_hints(&options, &self.without_hints, clock)?;
        Ok(Self { with_hints, made_from: Arc::new(options), ..self.clone() })
    }

    /// The configurations for new connections, with or without CA names in the certificate request. All have the same ticket keys.
    #[must_use]
    pub const fn configs(&self, with_hints: bool) -> &ServerConfigs {
        if with_hints { &self.with_hints } else { &self.without_hints }
    }

    /// The secrets of the random ticket keys; none if a key file is configured.
    #[must_use]
    pub fn random_secrets(&self) -> Option<RandomSecrets> {
        self.random_keys.as_ref()?.secrets()
    }

    /// Continues the random ticket keys of another process, which served the same domain under the same rule of client authentication, so
    /// that its sessions can be resumed. The first encrypts. Keys from a file stay.
    pub fn adopt_secrets(&self, since: Timestamp, secrets: &[[u8; SECRET_BYTES]]) {
        if let Some(keys) = &self.random_keys {
            keys.adopt(since, secrets);
        }
    }

    /// Whether these options equal those of this configuration, except for the hints.
    fn differs_in_hints_only(&self, options: &ServerOptions) -> bool {
        let ServerOptions {
            credentials,
            key_files,
            client_auth,
            min_version,
            cipher_suites,
            key_exchange_groups,
            domain,
            session_lifetime,
            ticket_secrets,
            hints: _,
        } = &*self.made_from;
        let is_same_chain = |(own, other): (&ServerCredential, &ServerCredential)| own.cert == other.cert;
        credentials.len() == options.credentials.len()
            && credentials.iter().zip(&options.credentials).all(is_same_chain)
            && *key_files == options.key_files
            && *client_auth == options.client_auth
            && *min_version == options.min_version
            && *cipher_suites == options.cipher_suites
            && *key_exchange_groups == options.key_exchange_groups
            && *domain == options.domain
            && *session_lifetime == options.session_lifetime
            && *ticket_secrets == options.ticket_secrets
    }

    /// The domain's certificates and keys, each with the hash of the key's file.
    pub fn credentials(&self) -> impl Iterator<Item = (ServerCredential, [u8; 32])> {
        self.made_from.credentials.iter().cloned().zip(self.made_from.key_files.iter().copied())
    }

    /// The domain's certificates in DER, with the types of their keys.
    pub fn leaves(&self) -> impl Iterator<Item = (KeyType, &CertificateDer<'static>)> {
        let credentials = self.made_from.credentials.iter();
        credentials.filter_map(|credential| Some((KeyType::of(credential), credential.cert.first()?)))
    }

    /// The domain's certificates that can be parsed, with the types of their keys.
    pub fn certificates(&self) -> impl Iterator<Item = (KeyType, ClientCertificate)> {
        self.leaves().filter_map(|(key_type, leaf)| {
            Some((key_type, ClientCertificate::from_chain(std::slice::from_ref(leaf)).ok()?))
        })
    }

    /// Whether the domain has several certificates.
    #[must_use]
    pub fn has_several_certificates(&self) -> bool {
        self.made_from.credentials.len() > 1
    }
}

/// The configurations with the hints of these options. They share the tickets of those without hints.
fn with_hints(
    options: &ServerOptions,
    without: &ServerConfigs,
    clock: &Clock,
) -> Result<ServerConfigs, rustls::Error> {
    if options.hints.is_empty() {
        return Ok(without.clone());
    }
    server_configs(options, &options.hints, &without.all_groups().ticketer, clock)
}

fn server_configs(
    options: &ServerOptions,
    hints: &[DistinguishedName],
    ticketer: &Arc<dyn ProducesTickets>,
    clock: &Clock,
) -> Result<ServerConfigs, rustls::Error> {
    ServerConfigs::new(&options.key_exchange_groups, |groups| {
        server_config(options, groups, hints, Arc::clone(ticketer), clock)
    })
}

fn server_config(
    options: &ServerOptions,
    groups: &[KeyExchangeGroup],
    hints: &[DistinguishedName],
    ticketer: Arc<dyn ProducesTickets>,
    clock: &Clock,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut provider = provider(options.cipher_suites);
    if !groups.is_empty() {
        provider.kx_groups = groups.iter().map(|group| group.implementation()).collect();
    }
    let provider = Arc::new(provider);
    let algorithms = provider.signature_verification_algorithms;
    let versions: &[&SupportedProtocolVersion] = match options.min_version {
        MinVersion::Tls12 => &[&TLS13, &TLS12],
        MinVersion::Tls13 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(clock.clone()))
        .with_protocol_versions(versions)?;
    let verifier = |mandatory| -> Arc<dyn ClientCertVerifier> {
        Arc::new(Possession { algorithms, mandatory, hints: hints.to_vec() })
    };
    let builder = match options.client_auth {
        ClientAuth::Required => builder.with_client_cert_verifier(verifier(true)),
        ClientAuth::Optional => builder.with_client_cert_verifier(verifier(false)),
        ClientAuth::Off => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(resolver(&options.credentials));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ticketer;
    // One ticket is enough: a client gets the next one with each resumption.
    config.send_tls13_tickets = 1;
    config.ignore_client_order = true;
    // Certificate compression (RFC 8879) would let a few bytes expand to 16 MiB. Off, whichever features rustls is built with.
    config.cert_decompressors = Vec::new();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;
    use rustls::{pki_types::PrivateKeyDer, sign::CertifiedKey};

    use super::*;

    fn options(client_auth: ClientAuth) -> ServerOptions {
        let key = KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
        ServerOptions {
            credentials: [Arc::new(CertifiedKey::new(vec![certificate], key))].into(),
            key_files: [[0; 32]].into(),
            client_auth,
            min_version: MinVersion::Tls12,
            cipher_suites: CipherSuites::Default,
            key_exchange_groups: Box::default(),
            domain: "a.example".into(),
            session_lifetime: Duration::from_secs(60),
            ticket_secrets: None,
            hints: Vec::new(),
        }
    }

    #[test]
    fn configurations_with_and_without_hints_share_ticket_keys() {
        let plain = options(ClientAuth::Required);
        let hints = vec![DistinguishedName::from(vec![0x30, 0])];
        let tls = DomainTls::new(ServerOptions { hints, ..plain }, None, &Clock::System).unwrap();
        let (with, without) = (tls.configs(true).all_groups(), tls.configs(false).all_groups());
        assert!(!Arc::ptr_eq(with, without));
        assert!(Arc::ptr_eq(&with.ticketer, &without.ticketer));
    }

    #[test]
    fn unchanged_configurations_are_reused() {
        let plain = options(ClientAuth::Required);
        let hinted = |byte| {
            let hints = vec![DistinguishedName::from(vec![0x30, byte])];
            ServerOptions { hints, ..plain.clone() }
        };
        let made = |options, former| DomainTls::new(options, former, &Clock::System).unwrap();
        let tls = made(hinted(0), None);
        let is_kept = |options, with_hints| {
            let made = made(options, Some(&tls));
            Arc::ptr_eq(tls.configs(with_hints).all_groups(), made.configs(with_hints).all_groups())
        };
        assert_eq!([is_kept(hinted(0), true), is_kept(hinted(0), false)], [true, true]);
        assert_eq!([is_kept(hinted(1), true), is_kept(hinted(1), false)], [false, true]);
        assert_eq!([is_kept(plain.clone(), true), is_kept(plain.clone(), false)], [false, true]);
        let other = ServerOptions { session_lifetime: Duration::from_secs(61), ..hinted(0) };
        assert_eq!([is_kept(other.clone(), true), is_kept(other, false)], [false, false]);
    }

    #[test]
    fn compressed_client_certificates_are_not_accepted() {
        for client_auth in [ClientAuth::Required, ClientAuth::Optional, ClientAuth::Off] {
            let tls = DomainTls::new(options(client_auth), None, &Clock::System).unwrap();
            let config = tls.configs(true).all_groups();
            assert!(config.cert_decompressors.is_empty());
            assert_eq!(config.max_early_data_size, 0);
        }
    }
}
