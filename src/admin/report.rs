//! Collects the status of the edge from the active site and from what was recorded.

mod applications;

use std::sync::{Arc, atomic::Ordering};

use self::applications::{applications, refused};
use super::{
    Capacity, State, health,
    query::Query,
    status::{
        ClientCa, Crl, Domain, EdgeFacts, Expiring, Expiry, FailedFetch, FailedOrder, FailedReload,
        FailingSource, FetchedSource, Limits, Log, OrderedCertificate, OriginFailure, ServerCertificate,
        Source, Status, Trust, Upstream, UpstreamOrigin,
    },
};
use crate::{
    clock::Timestamp,
    expiry::{CredentialEnds, Ending, Thing, endings},
    observe::{self, FetchSource, FetchState, Fetches, OrderState, ReloadState, SourceFailure, log},
    site::{self, Site},
};

/// The maximum length of the list of what expires.
const SOON: usize = 100;
/// The most fetched documents of one kind that are listed: every application may have a key set.
const FETCHED: usize = 1000;

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
        expiring: expiring(&site, &state.calendar.of(&site.trust.registry), query.expiring_days, now),
        domains: domains.into_iter().map(|domain| of_domain(domain, now)).collect(),
        acme: state.reloads.orders.states().into_iter().map(ordered).collect(),
        client_cas: client_cas(&site, now),
        crls: crls(&site, now),
        crl_sources: fetched(&state.reloads.fetches),
        key_set_sources: fetched(&state.reloads.key_sets),
        sources: state.reloads.sources.states().into_iter().map(source).collect(),
        upstreams: upstreams(&site),
        refused: refused(&site.trust.registry, query),
        applications: applications(&site.trust.registry, query, now),
        edge: Some(EdgeFacts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: state.host.clone(),
            started: state.started,
        }),
    }
}

fn trust(state: ReloadState, now: Timestamp) -> Trust {
    let ReloadState { succeeded, failed, since, why, failure, failing_since, start_failure: _ } = state;
    Trust {
        in_force_since: since,
        // The clock may have been set back.
        in_force_seconds: u64::try_from(now.seconds_since(since)).unwrap_or_default(),
        why,
        reloads: succeeded,
        failed_reloads: failed,
        failure: failure.map(|(at, problems)| FailedReload { failing_since, at, problems }),
    }
}

fn fetched(fetches: &Fetches) -> Vec<FetchedSource> {
    let source = |(FetchSource { url, file }, state)| {
        let FetchState { fetched, failed, last, failure, .. } = state;
        let failure = failure.map(|(at, why)| FailedFetch { at, why });
        FetchedSource { url, file, fetched, failed, last_fetched: last, failure }
    };
    fetches.states(FETCHED).into_iter().map(source).collect()
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
    let mut certificates = domain.tls.certificates().map(|(key_type, certificate)| {
        let not_after = certificate.validity().not_after;
        ServerCertificate {
            subject: certificate.subject().to_rfc4514(),
            thumbprint: certificate.thumbprint().to_string(),
            key_type: key_type.as_str().to_owned(),
            not_after,
            days_left: not_after.days_since(now),
        }
    });
    Domain {
        name: domain.name.to_string(),
        header_profile: domain.profile.name().to_string(),
        certificate: certificates.next(),
        further_certificates: certificates.collect(),
    }
}

fn ordered((domain, state): (Box<str>, OrderState)) -> OrderedCertificate {
    OrderedCertificate {
        domain: domain.into_string(),
        not_after: state.renewal.map(|renewal| renewal.not_after),
        renewed_at: state.renewal.map(|renewal| renewal.due),
        issued: state.issued,
        failed: state.failed,
        failure: state.failure.map(|observe::FailedOrder { since, why, next }| FailedOrder {
            since,
            why,
            next,
        }),
    }
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
        let origins = target.origins().map(|origin| {
            let state = origin.name().to_owned();
            let [last_failure, lookup_failure] = [origin.last_failure, origin.lookup_failure]
                .map(|failure| failure.map(|failure| OriginFailure { at: failure.at, why: failure.why }));
            UpstreamOrigin {
                state,
                url: origin.url,
                reason: origin.failing.map(|reason| reason.name().to_owned()),
                failing_since: origin.failing_since,
                last_failure,
                lookup_failure,
                requests_in_flight: origin.in_flight,
                ejections: origin.ejections,
            }
        });
        upstreams.push(Upstream { name: name.clone(), origins: origins.collect() });
    }
    upstreams
}

/// Entries that have expired or expire within this many days, the soonest first.
fn expiring(site: &Site, credentials: &CredentialEnds, days: u32, now: Timestamp) -> Expiring {
    let days = i64::from(days);
    let own = endings(site, now).filter(|ending| ending.end.days_since(now) < days);
    let mut found: Vec<_> = own.map(|Ending { thing, end }| (end, described(thing))).collect();
    let (soon, _) = credentials.within(days, now);
    let total = found.len() + soon.len();
    // Those that end together with the last one that is listed are candidates, too.
    let last = soon.get(SOON - 1).map_or(Timestamp::MAX, |last| last.end);
    let candidates = soon.iter().take_while(|one| one.end <= last).filter_map(|one| {
        let (role, credential) = one.registered()?;
        Some((one.end, role.as_str(), one.client_id(), credential.name))
    });
    let mut candidates: Vec<_> = candidates.collect();
    candidates.sort_unstable();
    let credentials = candidates.into_iter().take(SOON);
    found
        .extend(credentials.map(|(end, role, client_id, name)| (end, (role, format!("{client_id}/{name}")))));
    found.sort_unstable();
    found.truncate(SOON);
    let expiry = |(not_after, (what, name)): (Timestamp, (&str, String))| Expiry {
        what: what.to_owned(),
        name,
        not_after,
        days_left: not_after.days_since(now),
    };
    Expiring { within_days: days, total, list: found.into_iter().map(expiry).collect() }
}

/// What it is, and which.
fn described(thing: Thing<'_>) -> (&'static str, String) {
    match thing {
        Thing::ServerCertificate { domain, key_type } => {
            ("server certificate", domain.certificate_name(key_type))
        }
        Thing::AdminCertificate => ("server certificate", "the admin address".to_owned()),
        Thing::UpstreamCertificate { upstream } => ("upstream client certificate", upstream.to_owned()),
        Thing::ClientCa(ca) => ("client CA", ca.subject),
        Thing::Crl(crl, _) => ("CRL", crl.issuer),
        Thing::Credential { application, role, credential } => {
            (role.as_str(), format!("{}/{}", application.client_id, credential.name))
        }
    }
}
