//! What `/metrics` says, in the Prometheus text format 0.0.4.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
};

use super::{Health, log};
use crate::{site::Site, trust::Credential};

/// Everything: counters, reloads, and what ends when.
pub(super) fn text(health: &Health, now: i64) -> String {
    let open = health.bound.saturating_sub(health.places.available_permits());
    let site = health.site.load();
    let reloads = health.reloads.text(site.trust.generation.0);
    let buffered = format!(
        "# HELP mtls_edge_buffered_bytes Bytes of requests' bodies that are buffered.\n# TYPE mtls_edge_buffered_bytes gauge\nmtls_edge_buffered_bytes {}\n",
        health.buffered.now()
    );
    let dropped = format!(
        "# HELP mtls_edge_log_lines_dropped_total Log lines that standard error did not take.\n# TYPE mtls_edge_log_lines_dropped_total counter\nmtls_edge_log_lines_dropped_total {}\n",
        log::dropped()
    );
    let upstream = &health.capacity;
    let upstream = upstream.upstream.saturating_sub(upstream.upstream_places.available_permits());
    health.counters.text(open, upstream)
        + &buffered
        + &dropped
        + &reloads
        + &health.reloads.fetches.text()
        + &expiries(&site, now)
}

/// One value for each set of labels: what is there twice (a CA in two files) is told once.
#[derive(Default)]
struct Gauge(BTreeMap<String, i64>);

impl Gauge {
    fn set(&mut self, labels: &[(&str, &str)], value: i64) {
        self.0.entry(labelled(labels.iter().copied())).or_insert(value);
    }

    fn write(&self, text: &mut String, name: impl Display, help: &str) {
        let _ = writeln!(text, "# HELP mtls_edge_{name} {help}\n# TYPE mtls_edge_{name} gauge");
        for (labels, value) in &self.0 {
            let _ = if labels.is_empty() {
                writeln!(text, "mtls_edge_{name} {value}")
            } else {
                writeln!(text, "mtls_edge_{name}{{{labels}}} {value}")
            };
        }
    }
}

/// Labels as they stand between braces. Every value from elsewhere goes through here.
pub(super) fn labelled<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    labels.join(",")
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn expiries(site: &Site, now: i64) -> String {
    let (mut domains, mut cas) = (Gauge::default(), Gauge::default());
    for (name, domain) in &site.domains {
        if let Some(certificate) = domain.tls.certificate() {
            domains.set(&[("domain", name)], certificate.validity().not_after - now);
        }
    }
    for ca in site.trust.authorities.client_cas() {
        let thumbprint = ca.thumbprint.to_string();
        let labels = [("subject", ca.subject.as_str()), ("thumbprint", &thumbprint)];
        cas.set(&labels, ca.validity.not_after - now);
    }
    // The newest list comes first, and is the one that counts, save one from the future. Two CAs of one name have each their own.
    let (mut next_updates, mut ages) = (Gauge::default(), Gauge::default());
    let (to_come, in_force): (Vec<_>, Vec<_>) =
        site.trust.authorities.crls().partition(|crl| crl.is_from_the_future(now));
    for crl in in_force.into_iter().chain(to_come) {
        let key = crl.signer.map(|key| hex(&key)).unwrap_or_default();
        let labels = [("issuer", crl.issuer.as_str()), ("key", &key)];
        next_updates.set(&labels, crl.next_update - now);
        ages.set(&labels, now - crl.this_update);
    }
    // One that has expired for good must not hide the next one that will.
    let (mut soonest, mut ended) = (None, 0);
    for application in site.trust.registry.applications() {
        for end in application.credentials.iter().filter_map(Credential::not_after) {
            if end < now {
                ended += 1;
            } else {
                soonest = Some(soonest.map_or(end, |so_far: i64| so_far.min(end)));
            }
        }
    }
    let (mut credential, mut expired) = (Gauge::default(), Gauge::default());
    if let Some(soonest) = soonest {
        credential.set(&[], soonest - now);
    }
    expired.set(&[], ended);

    let mut text = String::new();
    for (gauge, name, help) in [
        (domains, "server_certificate_expiry_seconds", "Seconds to the end of a domain's certificate."),
        (
            credential,
            "credential_soonest_expiry_seconds",
            "Seconds to the end of the registered credential that ends next, of those whose certificate is known.",
        ),
        (expired, "credentials_expired", "Registered credentials whose certificate has expired."),
        (cas, "client_ca_expiry_seconds", "Seconds to the end of a client CA's certificate."),
        (
            next_updates,
            "crl_next_update_seconds",
            "Seconds to the nextUpdate of a CA's newest CRL; below 0 it is stale.",
        ),
        (ages, "crl_age_seconds", "Seconds since the thisUpdate of a CA's newest CRL."),
    ] {
        gauge.write(&mut text, name, help);
    }
    text
}

fn hex(bytes: &[u8; 32]) -> String {
    crate::identity::Thumbprint::from_bytes(*bytes).to_string()
}
