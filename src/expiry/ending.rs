//! What of a site ends, and when lines about it are due.

use std::{
    hash::{Hash, Hasher},
    iter::once,
    time::Duration,
};

use super::credentials::CredentialEnd;
use crate::{
    clock::Timestamp,
    identity::{CaFacts, ClientCertificate, CrlFacts, StaleCrl},
    site::{Domain, Site},
    tls::KeyType,
    trust::{Application, CredentialView, Role},
};

/// When warnings about credentials and client CAs are due before their end: others must act, too.
const OF_OTHERS: &[Duration] = &[days(30), days(14), days(7), days(1)];
/// When warnings about the edge's own certificates are due. Later than for credentials: many are renewed a month before.
const OWN: &[Duration] = &[days(14), days(7), days(1)];
/// Of what is replaced by itself, only the end is logged: it may never be valid for long.
const RENEWED: &[Duration] = &[];

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

/// Something that expires.
#[derive(Debug)]
pub struct Ending<'a> {
    /// What.
    pub thing: Thing<'a>,
    /// The notAfter, nextUpdate or `expires_at`.
    pub end: Timestamp,
}

/// What expires.
#[derive(Debug)]
pub enum Thing<'a> {
    /// Shown by the edge to clients.
    ServerCertificate {
        /// Its domain.
        domain: &'a Domain,
        /// The type of its key, by which several of a domain differ.
        key_type: KeyType,
    },
    /// Shown by the edge to operators.
    AdminCertificate,
    /// Shown by the edge to this upstream.
    UpstreamCertificate {
        /// Its name.
        upstream: &'a str,
    },
    /// By which certificates of clients are verified.
    ClientCa(CaFacts),
    /// The CRL of a client CA that is in force, and what is done once it is stale.
    Crl(CrlFacts, StaleCrl),
    /// Of an application.
    Credential {
        /// Which has registered it.
        application: &'a Application,
        /// For what.
        role: Role,
        /// Itself.
        credential: CredentialView<'a>,
    },
}

/// Everything of the site whose end is known, except for the credentials of applications.
pub fn endings(site: &Site, now: Timestamp) -> impl Iterator<Item = Ending<'_>> {
    let servers = site.domains.values().flat_map(|domain| {
        let ending = |(key_type, certificate): (_, ClientCertificate)| Ending {
            thing: Thing::ServerCertificate { domain, key_type },
            end: certificate.validity().not_after,
        };
        domain.tls.certificates().map(ending)
    });
    let admin = site.admin.certificate_end().map(|end| Ending { thing: Thing::AdminCertificate, end });
    let upstreams = site.upstream_certificates().into_iter();
    let upstreams =
        upstreams.map(|(upstream, end)| Ending { thing: Thing::UpstreamCertificate { upstream }, end });
    let authorities = &site.trust.authorities;
    let cas =
        authorities.client_cas().map(|ca| Ending { end: ca.validity.not_after, thing: Thing::ClientCa(ca) });
    let stale = authorities.policy().stale;
    let crls = authorities.crls_in_force(now).into_iter();
    let crls = crls.map(move |crl| Ending { end: crl.next_update, thing: Thing::Crl(crl, stale) });
    servers.chain(admin).chain(upstreams).chain(cas).chain(crls)
}

/// The credentials of which the end itself is registered.
pub(super) fn of_credentials(ends: &[CredentialEnd]) -> impl Iterator<Item = Ending<'_>> {
    ends.iter().filter_map(|one| {
        let (role, credential) = one.registered()?;
        let end = credential.registered_end()?;
        Some(Ending { thing: Thing::Credential { application: &one.application, role, credential }, end })
    })
}

impl Ending<'_> {
    /// The first second in which it has expired: that of `expires_at`, and the one after all others.
    pub(super) fn over_from(&self) -> Timestamp {
        match self.thing {
            Thing::Credential { credential, .. } if credential.expires_at == Some(self.end) => self.end,
            _ => self.end.next(),
        }
    }

    /// Whether it is the credential of an application.
    pub(super) const fn is_credential(&self) -> bool {
        matches!(self.thing, Thing::Credential { .. })
    }

    /// When each of its lines is due; the last one is that of the end.
    pub(super) fn stages(&self) -> impl Iterator<Item = Timestamp> {
        let before = match self.thing {
            Thing::ClientCa(_) | Thing::Credential { .. } => OF_OTHERS,
            Thing::ServerCertificate { domain, .. } if domain.renews_itself => RENEWED,
            Thing::Crl(..) => RENEWED,
            Thing::ServerCertificate { .. } | Thing::AdminCertificate | Thing::UpstreamCertificate { .. } => {
                OWN
            }
        };
        before.iter().map(|before| self.end - *before).chain(once(self.over_from()))
    }
}

impl Thing<'_> {
    /// Its name in messages.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::ServerCertificate { .. } => "server certificate",
            Self::AdminCertificate => "admin certificate",
            Self::UpstreamCertificate { .. } => "upstream client certificate",
            Self::ClientCa(_) => "client CA",
            Self::Crl(..) => "CRL",
            Self::Credential { .. } => "credential",
        }
    }
}

/// Identifies it over reloads. A renewed one has another end.
impl Hash for Ending<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.thing.name(), self.end).hash(state);
        match &self.thing {
            Thing::ServerCertificate { domain, key_type } => (&domain.name, key_type).hash(state),
            Thing::AdminCertificate => {}
            Thing::UpstreamCertificate { upstream } => upstream.hash(state),
            Thing::ClientCa(ca) => ca.thumbprint.hash(state),
            Thing::Crl(crl, _) => (&crl.issuer, crl.signer).hash(state),
            Thing::Credential { application, role, credential } => {
                (application.client_id.as_str(), role.key(), credential.name).hash(state);
            }
        }
    }
}
