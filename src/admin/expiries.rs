//! Metrics of the active site: its number, and when its parts expire.

use std::sync::Arc;

use crate::observe::metrics::{
    ADMIN_CERTIFICATE_EXPIRY, CLIENT_CA_EXPIRY, CREDENTIAL_SOONEST_EXPIRY, CREDENTIALS_EXPIRED, CRL_AGE,
    CRL_NEXT_UPDATE, Collector, Families, SERVER_CERTIFICATE_EXPIRY, TRUST_GENERATION,
    UPSTREAM_CERTIFICATE_EXPIRY,
};
use crate::{
    clock::{Clock, Timestamp},
    expiry::{Calendar, Ending, Thing, endings},
    identity::Thumbprint,
    site::{Site, SiteHandle},
};

/// Reads the active site at each scrape.
#[derive(Debug)]
pub struct Expiries {
    site: SiteHandle,
    calendar: Arc<Calendar>,
    clock: Clock,
}

impl Expiries {
    /// Reads the site through this pointer, and the list of its credentials.
    #[must_use]
    pub fn of(site: SiteHandle, calendar: Arc<Calendar>, clock: Clock) -> Self {
        Self { site, calendar, clock }
    }
}

impl Collector for Expiries {
    fn collect(&self, families: &mut Families) {
        let (site, now) = (self.site.load(), self.clock.now());
        families.set(&TRUST_GENERATION, [], site.generation.number());
        certificates(families, &site, now);
        crls(families, &site, now);
        let credentials = self.calendar.of(&site.trust.registry);
        let (expired, valid) = credentials.expired(now);
        if let Some(soonest) = valid.first() {
            families.set(&CREDENTIAL_SOONEST_EXPIRY, [], soonest.end.seconds_since(now));
        }
        families.set(&CREDENTIALS_EXPIRED, [], expired.len());
    }
}

fn certificates(families: &mut Families, site: &Site, now: Timestamp) {
    for Ending { thing, end } in endings(site, now) {
        let left = end.seconds_since(now);
        match thing {
            Thing::ServerCertificate { domain, key_type } => {
                let key_type = if domain.tls.has_several_certificates() { key_type.as_str() } else { "" };
                families.set(&SERVER_CERTIFICATE_EXPIRY, [&domain.name, key_type], left);
            }
            Thing::AdminCertificate => families.set(&ADMIN_CERTIFICATE_EXPIRY, [], left),
            Thing::UpstreamCertificate { upstream } => {
                families.set(&UPSTREAM_CERTIFICATE_EXPIRY, [upstream], left);
            }
            Thing::ClientCa(ca) => {
                let labels = [ca.subject.as_str(), &ca.thumbprint.to_string()];
                families.set(&CLIENT_CA_EXPIRY, labels, left);
            }
            Thing::Crl(..) | Thing::Credential { .. } => {}
        }
    }
}

/// Reports the newest CRL of each CA, which is listed first, unless it is dated in the future. Two CAs of the same name differ in
/// their keys.
fn crls(families: &mut Families, site: &Site, now: Timestamp) {
    let (to_come, in_force): (Vec<_>, Vec<_>) =
        site.trust.authorities.crls().partition(|crl| crl.is_future_dated(now));
    for crl in in_force.into_iter().chain(to_come) {
        let key = crl.signer.map(|key| Thumbprint::from_bytes(key).to_string()).unwrap_or_default();
        families.set(&CRL_NEXT_UPDATE, [&crl.issuer, &key], crl.next_update.seconds_since(now));
        families.set(&CRL_AGE, [&crl.issuer, &key], now.seconds_since(crl.this_update));
    }
}
