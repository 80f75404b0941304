//! What `/status` says: facts of the site in force as one JSON value, from which the page for a person and the table of
//! `mtls-edge status` are made too.

use std::sync::{Arc, atomic::Ordering};

use serde_json::{Value, json};

use super::{Capacity, State};
use crate::{
    clock::Timestamp,
    observe::log,
    site::{Domain, Site},
    trust::{Application, CredentialView, Registry},
};

/// Applications on one page.
const PAGE: usize = 100;
/// What ends within so many days is about to.
const SOON_DAYS: i64 = 30;
/// Of what is about to end, so many are told, the soonest first.
const SOON: usize = 100;

/// The facts, with this page of applications (from 1), as of `now`.
pub(super) fn status(state: &State, page: usize, now: Timestamp) -> Value {
    let site = state.site.load();
    let mut domains: Vec<&Arc<Domain>> = site.domains.values().collect();
    domains.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    json!({
        "generation": site.trust.generation.0,
        "ready": state.ready.load(Ordering::Acquire),
        "now": now.to_string(),
        "trust": state.reloads.status(),
        "limits": limits(state),
        "log": { "lines_dropped": log::dropped() },
        "expiring": expiring(&site, now),
        "domains": domains.into_iter().map(|domain| of_domain(domain, now)).collect::<Vec<_>>(),
        "client_cas": cas(&site, now),
        "crls": crls(&site, now),
        "crl_sources": state.reloads.fetches.status(),
        "applications": applications(&site.trust.registry, page, now),
    })
}

fn limits(state: &State) -> Value {
    let Capacity { descriptors, reserve, connections, connections_configured, upstream, shortage } =
        &state.capacity;
    json!({
        "open_files": descriptors,
        "reserve": reserve,
        "connections": connections,
        "connections_configured": connections_configured,
        "upstream_connections": upstream,
        "shortage": shortage,
    })
}

fn of_domain(domain: &Domain, now: Timestamp) -> Value {
    let certificate = domain.tls.certificate().map(|certificate| {
        let end = certificate.validity().not_after;
        json!({
            "subject": certificate.subject().to_rfc4514(),
            "thumbprint": certificate.thumbprint().to_string(),
            "not_after": end.to_string(),
            "days_left": end.days_since(now),
        })
    });
    json!({ "name": domain.name, "header_profile": domain.profile.name(), "certificate": certificate })
}

fn cas(site: &Site, now: Timestamp) -> Vec<Value> {
    let facts = site.trust.authorities.client_cas().map(|ca| {
        json!({
            "subject": ca.subject,
            "thumbprint": ca.thumbprint.to_string(),
            "eku": ca.purpose.as_str(),
            "not_after": ca.validity.not_after.to_string(),
            "days_left": ca.validity.not_after.days_since(now),
        })
    });
    facts.collect()
}

fn crls(site: &Site, now: Timestamp) -> Vec<Value> {
    let facts = site.trust.authorities.crls().map(|crl| {
        json!({
            "issuer": crl.issuer,
            "this_update": crl.this_update.to_string(),
            "next_update": crl.next_update.to_string(),
            "days_left": crl.next_update.days_since(now),
            "stale": crl.next_update < now,
            "signed_by_client_ca": crl.signer.is_some(),
        })
    });
    facts.collect()
}

fn applications(registry: &Registry, page: usize, now: Timestamp) -> Value {
    let mut all: Vec<&Arc<Application>> = registry.applications().collect();
    let total = all.len();
    let by_id = |a: &&Arc<Application>, b: &&Arc<Application>| a.client_id.cmp(&b.client_id);
    // Only this page is sorted: the rest need only stand before it or behind it.
    let from = (page - 1).saturating_mul(PAGE).min(total);
    if from > 0 {
        all.select_nth_unstable_by(from - 1, by_id);
    }
    let rest = all.get_mut(from..).unwrap_or_default();
    if rest.len() > PAGE {
        rest.select_nth_unstable_by(PAGE, by_id);
    }
    let length = rest.len().min(PAGE);
    let shown = rest.get_mut(..length).unwrap_or_default();
    shown.sort_unstable_by(by_id);
    json!({
        "total": total,
        "page": page,
        "pages": total.div_ceil(PAGE).max(1),
        "per_page": PAGE,
        "list": shown.iter().map(|application| of_application(application, now)).collect::<Vec<_>>(),
    })
}

fn of_application(application: &Application, now: Timestamp) -> Value {
    let method = application.method.kind().as_str();
    let credentials: Vec<Value> =
        application.credentials().map(|credential| of_credential(credential, now)).collect();
    json!({ "client_id": application.client_id.as_str(), "method": method, "credentials": credentials })
}

fn of_credential(credential: CredentialView<'_>, now: Timestamp) -> Value {
    let (key, registered) = credential.written();
    let end = credential.not_after();
    let known_from = match (credential.certificate(), end) {
        (Some(_), _) => Some("the registered certificate"),
        (None, Some(_)) => Some("the last certificate that matched"),
        (None, None) => None,
    };
    json!({
        "name": credential.name,
        key: registered,
        "subject": credential.certificate().map(|certificate| &certificate.subject),
        "not_after": end.map(|time| time.to_string()),
        "days_left": end.map(|end| end.days_since(now)),
        "known_from": known_from,
        "last_used": credential.usage.last().map(|time| time.to_string()),
    })
}

/// What has ended or will soon, the soonest first.
fn expiring(site: &Site, now: Timestamp) -> Value {
    let mut found: Vec<(Timestamp, &'static str, String)> = Vec::new();
    let soon = |end: &Timestamp| end.days_since(now) < SOON_DAYS;
    for domain in site.domains.values() {
        let end = domain.tls.certificate().map(|certificate| certificate.validity().not_after);
        found.extend(end.filter(soon).map(|end| (end, "server certificate", domain.name.to_string())));
    }
    for ca in site.trust.authorities.client_cas() {
        let end = Some(ca.validity.not_after).filter(soon);
        found.extend(end.map(|end| (end, "client CA", ca.subject)));
    }
    for crl in site.trust.authorities.crls() {
        found.extend(Some(crl.next_update).filter(soon).map(|end| (end, "CRL", crl.issuer)));
    }
    for application in site.trust.registry.applications() {
        for credential in application.credentials() {
            let end = credential.not_after().filter(soon);
            let name = || format!("{}/{}", application.client_id, credential.name);
            found.extend(end.map(|end| (end, "credential", name())));
        }
    }
    found.sort_unstable();
    let total = found.len();
    found.truncate(SOON);
    let list: Vec<Value> = found
        .into_iter()
        .map(|(end, what, name)| {
            json!({ "what": what, "name": name, "not_after": end.to_string(), "days_left": end.days_since(now) })
        })
        .collect();
    json!({ "within_days": SOON_DAYS, "total": total, "list": list })
}
