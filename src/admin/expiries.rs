//! Metrics of the active site: its number, and when its parts expire.

use crate::observe::metrics::{
    ADMIN_CERTIFICATE_EXPIRY, CLIENT_CA_EXPIRY, CREDENTIAL_SOONEST_EXPIRY, CREDENTIALS_EXPIRED, CRL_AGE,
    CRL_NEXT_UPDATE, Collector, Families, SERVER_CERTIFICATE_EXPIRY, TRUST_GENERATION,
    UPSTREAM_CERTIFICATE_EXPIRY,
};
use crate::{
    clock::{Clock, Timestamp},
    identity::Thumbprint,
    site::{Site, SiteHandle},
};

/// Reads the active site at each scrape.
#[derive(Debug)]
pub struct Expiries {
    site: SiteHandle,
    clock: Clock,
}

impl Expiries {
    /// Reads the site through this pointer.
    #[must_use]
    pub fn of(site: SiteHandle, clock: Clock) -> Self {
        Self { site, clock }
    }
}

impl Collector for Expiries {
    fn collect(&self, families: &mut Families) {
        let (site, now) = (self.site.load(), self.clock.now());
        families.set(&TRUST_GENERATION, [], site.generation.number());
        certificates(families, &site, now);
        crls(families, &site, now);
    }
}

fn certificates(families: &mut Families, site: &Site, now: Timestamp) {
    for (name, domain) in &site.domains {
        if let Some(certificate) = domain.tls.certificate() {
            let left = certificate.validity().not_after.seconds_since(now);
            families.set(&SERVER_CERTIFICATE_EXPIRY, [name], left);
        }
    }
    if let Some(end) = site.admin.certificate_end() {
        families.set(&ADMIN_CERTIFICATE_EXPIRY, [], end.seconds_since(now));
    }
    for (upstream, end) in site.upstream_certificates() {
        families.set(&UPSTREAM_CERTIFICATE_EXPIRY, [upstream], end.seconds_since(now));
    }
    for ca in site.trust.authorities.client_cas() {
        let labels = [ca.subject.as_str(), &ca.thumbprint.to_string()];
        families.set(&CLIENT_CA_EXPIRY, labels, ca.validity.not_after.seconds_since(now));
    }
    let applications = site.trust.registry.applications();
    let credentials = applications.flat_map(|application| application.registrations());
    let (mut soonest, mut expired) = (None, 0);
    for (_, credential) in credentials {
        if credential.is_expired(now) {
            expired += 1;
        } else if let Some(end) = credential.ends() {
            soonest = Some(soonest.map_or(end, |so_far: Timestamp| so_far.min(end)));
        }
    }
    if let Some(soonest) = soonest {
        families.set(&CREDENTIAL_SOONEST_EXPIRY, [], soonest.seconds_since(now));
    }
    families.set(&CREDENTIALS_EXPIRED, [], expired);
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
