//! Collects the status of the edge from the active site and from what was recorded.

use std::sync::{Arc, atomic::Ordering};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Capacity, State, health,
    status::{
        Application, Applications, ClientCa, Credential, Crl, Domain, Expiring, Expiry, FailedFetch,
        FailedReload, FailingSource, FetchedSource, Limits, Log, Registered, ServerCertificate, Source,
        Status, Trust, Upstream, UpstreamOrigin,
    },
};
use crate::{
    clock::Timestamp,
    identity::SubjectAltName,
    observe::{FetchSource, FetchState, Fetches, ReloadState, SourceFailure, log},
    site::{self, Site},
    trust::{self, CertificateMatch, CredentialView, RegisteredKey, RegisteredRef, Registry, Role, Subject},
};

/// Applications on one page.
const PAGE: usize = 100;
/// Entries that expire within this many days are listed.
pub(super) const SOON_DAYS: u32 = 30;
/// The maximum length of that list.
const SOON: usize = 100;
/// The most fetched documents of one kind that are listed: every application may have a key set.
const FETCHED: usize = 1000;

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Query {
    /// The page of applications, from 1.
    pub(super) page: usize,
    /// Only applications with this in their `client_id` or method, in any case; empty: all.
    pub(super) search: String,
    /// Only this application.
    pub(super) client_id: Option<String>,
    /// Entries that expire within this many days are listed.
    pub(super) expiring_days: u32,
}

/// The status as of `now`.
pub(super) fn status(state: &State, query: &Query, now: Timestamp) -> Status {
    let site = state.site.load();
    let mut domains: Vec<&Arc<site::Domain>> = site.domains.values().collect();
    domains.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Status {
        generation: site.generation.number(),
        ready: state.ready.load(Ordering::Acquire),
        now,
        health: Some(health::health(state, &site, now)),
        trust: trust(state.reloads.state(), now),
        limits: limits(&state.capacity),
        log: Log { lines_dropped: log::dropped() },
        expiring: expiring(&site, query.expiring_days, now),
        domains: domains.into_iter().map(|domain| of_domain(domain, now)).collect(),
        client_cas: client_cas(&site, now),
        crls: crls(&site, now),
        crl_sources: fetched(&state.reloads.fetches),
        key_set_sources: fetched(&state.reloads.key_sets),
        sources: state.reloads.sources.states().into_iter().map(source).collect(),
        upstreams: upstreams(&site),
        applications: match &query.client_id {
            Some(client_id) => one_application(&site.trust.registry, client_id, now),
            None => applications(&site.trust.registry, query, now),
        },
    }
}

fn trust(state: ReloadState, now: Timestamp) -> Trust {
    let ReloadState { succeeded, failed, since, why, failure } = state;
    Trust {
        in_force_since: since,
        // The clock may have been set back.
        in_force_seconds: u64::try_from(now.seconds_since(since)).unwrap_or_default(),
        why,
        reloads: succeeded,
        failed_reloads: failed,
        failure: failure.map(|(at, problems)| FailedReload { at, problems }),
    }
}

fn fetched(fetches: &Fetches) -> Vec<FetchedSource> {
    let source = |(FetchSource { url, file }, state)| {
        let FetchState { fetched, failed, last, failure, .. } = state;
        let failure = failure.map(|(at, why)| FailedFetch { at, why });
        FetchedSource { url, file, fetched, failed, last_fetched: last, failure }
    };
    fetches.states().into_iter().take(FETCHED).map(source).collect()
}

fn source((name, failure): (String, Option<SourceFailure>)) -> Source {
    Source { name, failure: failure.map(|SourceFailure { since, error }| FailingSource { since, error }) }
}

fn limits(capacity: &Capacity) -> Limits {
    Limits {
        open_files: capacity.descriptors,
        reserve: capacity.reserve,
        connections: capacity.connections,
        connections_configured: capacity.connections_configured,
        upstream_connections: capacity.upstream,
        shortage: capacity.shortage.clone(),
    }
}

fn of_domain(domain: &site::Domain, now: Timestamp) -> Domain {
    let certificate = domain.tls.certificate().map(|certificate| {
        let not_after = certificate.validity().not_after;
        ServerCertificate {
            subject: certificate.subject().to_rfc4514(),
            thumbprint: certificate.thumbprint().to_string(),
            not_after,
            days_left: not_after.days_since(now),
        }
    });
    Domain { name: domain.name.to_string(), header_profile: domain.profile.name().to_string(), certificate }
}

fn client_cas(site: &Site, now: Timestamp) -> Vec<ClientCa> {
    let cas = site.trust.authorities.client_cas().map(|ca| ClientCa {
        subject: ca.subject,
        thumbprint: ca.thumbprint.to_string(),
        eku: ca.purpose.as_str().to_owned(),
        not_after: ca.validity.not_after,
        days_left: ca.validity.not_after.days_since(now),
    });
    cas.collect()
}

fn crls(site: &Site, now: Timestamp) -> Vec<Crl> {
    let crls = site.trust.authorities.crls().map(|crl| Crl {
        issuer: crl.issuer,
        this_update: crl.this_update,
        next_update: crl.next_update,
        days_left: crl.next_update.days_since(now),
        stale: crl.next_update < now,
        signed_by_client_ca: crl.signer.is_some(),
    });
    crls.collect()
}

fn upstreams(site: &Site) -> Vec<Upstream> {
    let mut upstreams: Vec<Upstream> = Vec::new();
    for target in site.pooled_targets() {
        let name = &target.spec.name;
        // Several domains may share one.
        if upstreams.iter().any(|upstream| upstream.name == *name) {
            continue;
        }
        let origins = target.origins().map(|origin| UpstreamOrigin {
            url: origin.url,
            state: if origin.avoided.is_some() { "failing" } else { "ok" }.to_owned(),
            reason: origin.avoided.map(|avoided| avoided.name().to_owned()),
            requests_in_flight: origin.in_flight,
            ejections: origin.ejections,
        });
        upstreams.push(Upstream { name: name.clone(), origins: origins.collect() });
    }
    upstreams
}

/// The only page, with this application or none.
fn one_application(registry: &Registry, client_id: &str, now: Timestamp) -> Applications {
    let list = registry.application(client_id).map(|application| of_application(application, now));
    Applications {
        total: registry.len(),
        page: 1,
        pages: 1,
        per_page: PAGE,
        list: list.into_iter().collect(),
    }
}

fn applications(registry: &Registry, query: &Query, now: Timestamp) -> Applications {
    let (page, search) = (query.page, query.search.to_ascii_lowercase());
    let is_searched = |application: &&Arc<trust::Application>| {
        let names = [application.client_id.as_str(), application.method.kind().as_str()];
        search.is_empty() || names.iter().any(|name| name.to_ascii_lowercase().contains(&search))
    };
    let mut all: Vec<&Arc<trust::Application>> = registry.applications().filter(is_searched).collect();
    let total = all.len();
    let by_id = |a: &&Arc<trust::Application>, b: &&Arc<trust::Application>| a.client_id.cmp(&b.client_id);
    // Only this page is sorted: all others need only be before or after it.
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
    Applications {
        total,
        page,
        pages: total.div_ceil(PAGE).max(1),
        per_page: PAGE,
        list: shown.iter().map(|application| of_application(application, now)).collect(),
    }
}

fn of_application(application: &trust::Application, now: Timestamp) -> Application {
    Application {
        client_id: application.client_id.as_str().to_owned(),
        method: application.method.kind().as_str().to_owned(),
        credentials: registered_for(application, Role::Authentication, now),
        certificates: registered_for(application, Role::Binding, now),
        request_keys: registered_for(application, Role::RequestKey, now),
    }
}

fn registered_for(application: &trust::Application, role: Role, now: Timestamp) -> Vec<Credential> {
    let registrations = application.registrations().filter(|(of, _)| *of == role);
    registrations.map(|(_, credential)| of_credential(credential, now)).collect()
}

fn of_credential(credential: CredentialView<'_>, now: Timestamp) -> Credential {
    let not_after = credential.not_after();
    let known_from = match (credential.certificate(), not_after) {
        (Some(_), _) => Some("the registered certificate"),
        (None, Some(_)) => Some("the last certificate that matched"),
        (None, None) => None,
    };
    Credential {
        name: credential.name.to_owned(),
        registered: Some(registered(credential.registered)),
        subject: credential.certificate().map(|certificate| certificate.subject.to_string()),
        expires_at: credential.expires_at,
        not_after,
        days_left: credential.ends().map(|end| end.days_since(now)),
        known_from: known_from.map(str::to_owned),
        last_used: credential.usage.last(),
    }
}

fn registered(viewed: RegisteredRef<'_>) -> Registered {
    let subject = match viewed {
        RegisteredRef::Certificate(certificate) => {
            return match certificate.matches {
                CertificateMatch::Thumbprint(thumbprint) => Registered::Thumbprint(thumbprint.to_string()),
                CertificateMatch::PublicKey(hash) => Registered::PublicKey(URL_SAFE_NO_PAD.encode(hash)),
            };
        }
        RegisteredRef::Key(RegisteredKey { key }) => {
            return Registered::PublicKey(key.thumbprint().to_string());
        }
        RegisteredRef::Secret(_) => return Registered::Secret("(hidden)".to_owned()),
        RegisteredRef::Subject(subject) => &subject.subject,
    };
    match subject {
        Subject::Dn(dn) => Registered::SubjectDn(dn.to_rfc4514()),
        Subject::San(SubjectAltName::Dns(name)) => Registered::SanDns(name.clone()),
        Subject::San(SubjectAltName::Uri(uri)) => Registered::SanUri(uri.clone()),
        Subject::San(SubjectAltName::Ip(ip)) => Registered::SanIp(ip.to_string()),
        Subject::San(SubjectAltName::Email(address)) => Registered::SanEmail(address.clone()),
    }
}

/// Entries that have expired or expire within this many days, the soonest first.
fn expiring(site: &Site, days: u32, now: Timestamp) -> Expiring {
    let mut found: Vec<(Timestamp, &'static str, String)> = Vec::new();
    let soon = |end: &Timestamp| end.days_since(now) < i64::from(days);
    for domain in site.domains.values() {
        let end = domain.tls.certificate().map(|certificate| certificate.validity().not_after);
        found.extend(end.filter(soon).map(|end| (end, "server certificate", domain.name.to_string())));
    }
    for (upstream, end) in site.upstream_certificates() {
        found.extend(
            Some(end).filter(soon).map(|end| (end, "upstream client certificate", upstream.to_owned())),
        );
    }
    for ca in site.trust.authorities.client_cas() {
        let end = Some(ca.validity.not_after).filter(soon);
        found.extend(end.map(|end| (end, "client CA", ca.subject)));
    }
    for crl in site.trust.authorities.crls() {
        found.extend(Some(crl.next_update).filter(soon).map(|end| (end, "CRL", crl.issuer)));
    }
    for application in site.trust.registry.applications() {
        for (role, credential) in application.registrations() {
            let end = credential.ends().filter(soon);
            let name = || format!("{}/{}", application.client_id, credential.name);
            found.extend(end.map(|end| (end, role.as_str(), name())));
        }
    }
    found.sort_unstable();
    let total = found.len();
    found.truncate(SOON);
    let expiry = |(not_after, what, name): (Timestamp, &str, String)| Expiry {
        what: what.to_owned(),
        name,
        not_after,
        days_left: not_after.days_since(now),
    };
    Expiring { within_days: i64::from(days), total, list: found.into_iter().map(expiry).collect() }
}
