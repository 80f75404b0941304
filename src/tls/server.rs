//! The rustls configuration of one domain.

use std::{sync::Arc, time::Duration};

use rustls::{
    CipherSuite, DistinguishedName, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoServerSessionStorage, ProducesTickets, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};

use rustls_pki_types::CertificateDer;

use super::{
    options::{CipherSuites, ClientAuth},
    possession::Possession,
    tickets::{Context, Keys, RotatingKeys, TicketKey, TicketSecrets, Tickets},
};
use crate::{clock::Clock, identity::ClientCertificate};

/// A server's chain with the key that belongs to it.
pub type ServerCredential = Arc<CertifiedKey>;

/// What a domain's TLS is made from.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The domain's chain and key.
    pub credential: ServerCredential,
    /// SHA-256 of the key's file: whether the key is another.
    pub key_file: [u8; 32],
    /// Whether a certificate is asked for.
    pub client_auth: ClientAuth,
    /// Which suites are offered.
    pub cipher_suites: CipherSuites,
    /// The domain's name, to which its tickets are bound.
    pub domain: Box<str>,
    /// How long a session can be resumed, from its full handshake on.
    pub session_lifetime: Duration,
    /// What ticket keys are derived from; none: they are this process's own.
    pub ticket_secrets: Option<TicketSecrets>,
    /// DER subjects of the client CAs that are sent in the certificate request, except while self-signed certificates are
    /// registered (RFC 8705 section 7.2).
    pub hints: Vec<DistinguishedName>,
}

/// The cryptography that the edge uses: aws-lc-rs, X25519MLKEM768 preferred; with FAPI's suites only AES-GCM.
///
/// Of the suites those with AES-128-GCM come first: all that hashes in a handshake is SHA-256 then, for which processors have
/// instructions. It is what Go, BoringSSL and Mozilla's guidelines put first.
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

/// A domain's TLS: its configurations with what they were made from. A clone is cheap.
#[derive(Clone, Debug)]
pub struct DomainTls {
    with_hints: Arc<ServerConfig>,
    /// The same one if there are no hints.
    without_hints: Arc<ServerConfig>,
    made_from: Arc<ServerOptions>,
    /// Where no file gives them.
    own_keys: Option<Arc<RotatingKeys>>,
}

impl DomainTls {
    /// Builds the configurations. Their ticket keys are the domain's own, so that a session of one domain can't be
    /// resumed on another; there is no session cache and no early data.
    ///
    /// Keys that no file gives are taken over from the same domain's `former` configuration, so that sessions outlive a
    /// renewed certificate, but not where client authentication changed: then every client does a full handshake under the new
    /// rule. Keys of a file are bound to the rule by their derivation. A `former` configuration from the same options is taken
    /// over.
    ///
    /// # Errors
    ///
    /// If rustls rejects the options, or the system has no random bytes for ticket keys.
    pub fn new(options: ServerOptions, former: Option<&Self>, clock: &Clock) -> Result<Self, rustls::Error> {
        if let Some(former) = former.filter(|former| former.differs_in_hints_only(&options)) {
            return former.with_other_hints(options, clock);
        }
        let context = Context { domain: options.domain.clone(), client_auth: options.client_auth };
        let random = |_| rustls::Error::FailedToGetRandomBytes;
        let own = |keys: Arc<RotatingKeys>| (Keys::Rotating(Arc::clone(&keys)), Some(keys));
        let (keys, own_keys) = match (&options.ticket_secrets, former) {
            (Some(secrets), _) => {
                let keys = secrets.iter().map(|secret| TicketKey::derive(secret, &context));
                (Keys::Shared(keys.collect::<Result<_, _>>().map_err(random)?), None)
            }
            (None, Some(Self { own_keys: Some(keys), made_from, .. }))
                if made_from.client_auth == options.client_auth =>
            {
                own(Arc::clone(keys))
            }
            (None, _) => own(Arc::new(RotatingKeys::new(context, clock.now()).map_err(random)?)),
        };
        let tickets = Tickets { keys, lifetime: options.session_lifetime, clock: clock.clone() };
        let without_hints = server_config(&options, &[], Arc::new(tickets), clock)?;
        let with_hints = with_hints(&options, &without_hints, clock)?;
        Ok(Self { with_hints, without_hints, made_from: Arc::new(options), own_keys })
    }

    /// The same with the hints of these options. A configuration that stays the same is taken over.
    fn with_other_hints(&self, options: ServerOptions, clock: &Clock) -> Result<Self, rustls::Error> {
        if self.made_from.hints.iter().map(AsRef::as_ref).eq(options.hints.iter().map(AsRef::<[u8]>::as_ref))
        {
            return Ok(self.clone());
        }
        let with_hints = with_hints(&options, &self.without_hints, clock)?;
        Ok(Self { with_hints, made_from: Arc::new(options), ..self.clone() })
    }

    /// The configuration for new connections, with or without CA names in the certificate request. Both have the same ticket keys.
    #[must_use]
    pub const fn config(&self, with_hints: bool) -> &Arc<ServerConfig> {
        if with_hints { &self.with_hints } else { &self.without_hints }
    }

    /// Whether these options would make the same configuration without hints.
    fn differs_in_hints_only(&self, options: &ServerOptions) -> bool {
        let ServerOptions {
            credential,
            key_file,
            client_auth,
            cipher_suites,
            domain,
            session_lifetime,
            ticket_secrets,
            hints: _,
        } = &*self.made_from;
        credential.cert == options.credential.cert
            && *key_file == options.key_file
            && *client_auth == options.client_auth
            && *cipher_suites == options.cipher_suites
            && *domain == options.domain
            && *session_lifetime == options.session_lifetime
            && *ticket_secrets == options.ticket_secrets
    }

    /// The domain's own certificate.
    #[must_use]
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.made_from.credential.cert.first()
    }

    /// The domain's own certificate, as facts; none if it can't be read as such.
    #[must_use]
    pub fn certificate(&self) -> Option<ClientCertificate> {
        ClientCertificate::from_chain(self.made_from.credential.cert.get(..1)?).ok()
    }
}

/// The configuration with the hints of these options, beside the one without any, whose tickets it shares.
fn with_hints(
    options: &ServerOptions,
    without: &Arc<ServerConfig>,
    clock: &Clock,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    if options.hints.is_empty() {
        return Ok(Arc::clone(without));
    }
    server_config(options, &options.hints, Arc::clone(&without.ticketer), clock)
}

fn server_config(
    options: &ServerOptions,
    hints: &[DistinguishedName],
    ticketer: Arc<dyn ProducesTickets>,
    clock: &Clock,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(provider(options.cipher_suites));
    let algorithms = provider.signature_verification_algorithms;
    let builder = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(clock.clone()))
        .with_safe_default_protocol_versions()?;
    let verifier = |mandatory| -> Arc<dyn ClientCertVerifier> {
        Arc::new(Possession { algorithms, mandatory, hints: hints.to_vec() })
    };
    let builder = match options.client_auth {
        ClientAuth::Required => builder.with_client_cert_verifier(verifier(true)),
        ClientAuth::Optional => builder.with_client_cert_verifier(verifier(false)),
        ClientAuth::Off => builder.with_no_client_auth(),
    };
    let mut config =
        builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&options.credential))));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ticketer;
    // A client that comes back asks for one resumption at a time, and gets the next ticket with it.
    config.send_tls13_tickets = 1;
    config.ignore_client_order = true;
    // RFC 8879: a few bytes could become a chain of 16 MiB, whatever features rustls is built with.
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
            credential: Arc::new(CertifiedKey::new(vec![certificate], key)),
            key_file: [0; 32],
            client_auth,
            cipher_suites: CipherSuites::Default,
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
        let (with, without) = (tls.config(true), tls.config(false));
        assert!(!Arc::ptr_eq(with, without));
        assert!(Arc::ptr_eq(&with.ticketer, &without.ticketer));
    }

    #[test]
    fn unchanged_configurations_are_taken_over() {
        let plain = options(ClientAuth::Required);
        let hinted = |byte| {
            let hints = vec![DistinguishedName::from(vec![0x30, byte])];
            ServerOptions { hints, ..plain.clone() }
        };
        let made = |options, former| DomainTls::new(options, former, &Clock::System).unwrap();
        let tls = made(hinted(0), None);
        let is_kept = |options, with_hints| {
            Arc::ptr_eq(tls.config(with_hints), made(options, Some(&tls)).config(with_hints))
        };
        assert_eq!([is_kept(hinted(0), true), is_kept(hinted(0), false)], [true, true]);
        assert_eq!([is_kept(hinted(1), true), is_kept(hinted(1), false)], [false, true]);
        assert_eq!([is_kept(plain.clone(), true), is_kept(plain.clone(), false)], [false, true]);
        let other = ServerOptions { session_lifetime: Duration::from_secs(61), ..hinted(0) };
        assert_eq!([is_kept(other.clone(), true), is_kept(other, false)], [false, false]);
    }

    #[test]
    fn no_client_certificate_is_taken_compressed() {
        for client_auth in [ClientAuth::Required, ClientAuth::Optional, ClientAuth::Off] {
            let tls = DomainTls::new(options(client_auth), None, &Clock::System).unwrap();
            assert!(tls.config(true).cert_decompressors.is_empty());
            assert_eq!(tls.config(true).max_early_data_size, 0);
        }
    }
}
