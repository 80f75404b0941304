//! The state of the edge in one word, with the problems that explain it.

mod fetched;
mod kind;
mod traffic;
mod upstreams;

use std::sync::{PoisonError, atomic::Ordering};

pub(super) use self::kind::Kind;
use super::{
    State,
    status::{Health, Level, Problem},
};
use crate::{
    clock::Timestamp,
    expiry::{CredentialEnd, CredentialEnds, Ending, Thing, endings},
    identity::{StaleCrl, Validity},
    observe::{Orders, last_panic, log},
    site::Site,
};

/// A server certificate is reported this many days before it expires. Shorter than for credentials: many are renewed a month before.
const CERTIFICATE_DAYS: i64 = 14;
/// Client CAs and credentials are reported this many days before they expire.
const CREDENTIAL_DAYS: i64 = 30;
/// A certificate that ACME does not renew is urgent from this many seconds before its end on.
const URGENT: i64 = 3 * 86_400;
/// Or in the last part of its lifetime, if that is shorter: half of the time that is left when its renewal begins.
const URGENT_PART: i64 = 6;
/// How many applications one problem names.
const NAMED: usize = 3;

/// What is said of the last credential of one application that has expired, and of several applications.
const EXPIRED: (&str, &str) = ("has expired", "have no credential that is still valid");
/// What is said of the last credential of one application that is about to expire, and of several applications.
const EXPIRING: (&str, &str) = ("expires", "need another credential");

/// The health at `now`, the worst problems first.
pub(super) fn health(state: &State, site: &Site, now: Timestamp) -> Health {
    let problems = problems(state, site, now);
    let state = problems.first().map_or(Level::Healthy, |(worst, _)| worst.level());
    Health { state, problems: problems.into_iter().map(|(_, problem)| problem).collect() }
}

/// Each problem at `now` with its kind, the worst first.
pub(super) fn problems(state: &State, site: &Site, now: Timestamp) -> Vec<(Kind, Problem)> {
    let mut found = Found { now, problems: Vec::new() };
    found.running(state);
    found.traffic(state, site);
    found.endings(site);
    found.not_valid_yet(site, state.latest(now));
    found.mismatches(site);
    found.orders(site, &state.reloads.orders);
    found.applications(&state.calendar.of(&site.trust.registry));
    found.upstreams(site);
    found.missing_crls(site, &state.reloads.fetches);
    found.missing_key_sets(site, &state.reloads.key_sets);
    found.fetches("CRL", &state.reloads.fetches);
    found.fetches("key set", &state.reloads.key_sets);
    let mut problems = found.problems;
    problems.sort_by_key(|(kind, _)| *kind);
    problems
}

struct Found {
    now: Timestamp,
    problems: Vec<(Kind, Problem)>,
}

impl Found {
    fn report(&mut self, kind: Kind, what: String, at: Option<Timestamp>) {
        self.report_all(kind, 1, what, at);
    }

    /// Reports several problems of one kind in one sentence.
    fn report_all(&mut self, kind: Kind, count: usize, what: String, at: Option<Timestamp>) {
        let (level, code) = (kind.level(), kind.code().to_owned());
        self.problems.push((kind, Problem { level, code, what, at, count }));
    }

    fn running(&mut self, state: &State) {
        if !state.ready.load(Ordering::Acquire) {
            let what = "not ready: the edge is starting or draining".to_owned();
            self.report(Kind::NotReady, what, None);
        }
        let reloads = state.reloads.state();
        if let Some((_, problems)) = reloads.failure {
            let what =
                format!("the changed configuration is rejected, the previous one is active: {problems}");
            self.report(Kind::ReloadRejected, what, reloads.failing_since);
        }
        if let Some((since, problems)) = reloads.start_failure {
            let what =
                format!("a start would refuse the active configuration, also one after SIGUSR2: {problems}");
            self.report(Kind::StartPrevented, what, Some(since));
        }
        for (name, failure) in state.reloads.sources.states() {
            let Some(failure) = failure else { continue };
            let what = format!("the source of applications {name:?} fails: {}", failure.error);
            self.report(Kind::SourceFailing, what, Some(failure.since));
        }
        if let Some(panic) = last_panic() {
            let what = format!(
                "a task of the thread {:?} panicked and was aborted: report the log's line; a restart clears this",
                panic.thread
            );
            self.report(Kind::Panicked, what, Some(panic.at));
        }
        if let Some((since, shortage)) = state.memory.shortage() {
            self.report(Kind::MemoryShort, shortage, Some(since));
        }
        for failure in log::failures() {
            self.report(Kind::LogFailing, failure.what, Some(failure.since));
        }
        if let Some((at, why)) = &*state.upgrade_failure.lock().unwrap_or_else(PoisonError::into_inner) {
            let what = format!(
                "the last upgrade (SIGUSR2) failed, so that the former program serves: {why}; once that is cured, send SIGUSR2 again"
            );
            self.report(Kind::UpgradeFailed, what, Some(*at));
        }
        if let Some(shortage) = &state.capacity.shortage {
            self.report(Kind::OpenFiles, shortage.clone(), Some(state.started));
        }
    }

    /// Reports `what` if it has expired or does so within `days`.
    fn expiry(&mut self, (expired, expiring): (Kind, Kind), what: &str, end: Timestamp, days: i64) {
        if end < self.now {
            self.report(expired, format!("{what} has expired"), Some(end));
        } else if end.days_since(self.now) < days {
            self.report(expiring, format!("{what} expires"), Some(end));
        }
    }

    /// Reports server certificates and client CAs that are not valid yet, though they were: the clock was set back. A client CA may have been added ahead of
    /// its time.
    fn not_valid_yet(&mut self, site: &Site, latest: Timestamp) {
        let served = site.domains.values().flat_map(|domain| {
            domain.tls.certificates().map(|(key_type, certificate)| {
                let name = domain.certificate_name(key_type);
                (format!("server certificate of {name}"), certificate.validity())
            })
        });
        let now = self.now;
        let was_valid = |begin: Timestamp| begin <= latest;
        let cas = site.trust.authorities.client_cas().filter(|ca| was_valid(ca.validity.not_before));
        let cas = cas.map(|ca| (format!("client CA {:?}", ca.subject), ca.validity));
        for (what, Validity { not_before, .. }) in served.chain(cas) {
            if not_before > now {
                let what =
                    format!("the {what} is not valid before {not_before}: check the clock, it is {now} here");
                self.report(Kind::NotValidYet, what, None);
            }
        }
    }

    /// Reports server certificates that do not name their domain.
    fn mismatches(&mut self, site: &Site) {
        let misnamed = site
            .domains
            .values()
            .flat_map(|domain| domain.misnamed.iter().map(|key_type| domain.certificate_name(*key_type)));
        for name in misnamed {
            let what = format!("the server certificate of {name} does not name it: clients refuse it");
            self.report(Kind::CertificateMismatch, what, None);
        }
    }

    /// Reports certificates and CRLs that have expired or do so soon.
    fn endings(&mut self, site: &Site) {
        for Ending { thing, end } in endings(site, self.now) {
            match thing {
                // One that renews itself may never be valid for so long: it is reported if that fails.
                Thing::ServerCertificate { domain, .. } if domain.renews_itself && end >= self.now => {}
                Thing::ServerCertificate { domain, key_type } => {
                    let codes = (Kind::CertificateExpired, Kind::CertificateExpiring);
                    let what = format!("the server certificate of {}", domain.certificate_name(key_type));
                    self.expiry(codes, &what, end, CERTIFICATE_DAYS);
                }
                Thing::AdminCertificate => {
                    let codes = (Kind::AdminCertificateExpired, Kind::AdminCertificateExpiring);
                    self.expiry(codes, "the certificate of the admin address", end, CERTIFICATE_DAYS);
                }
                Thing::UpstreamCertificate { upstream } => {
                    let codes = (Kind::UpstreamCertificateExpired, Kind::UpstreamCertificateExpiring);
                    let what = format!("the edge's client certificate for the upstream {upstream:?}");
                    self.expiry(codes, &what, end, CERTIFICATE_DAYS);
                }
                Thing::ClientCa(ca) => {
                    let what = format!("the client CA {:?}", ca.subject);
                    self.expiry((Kind::CaExpired, Kind::CaExpiring), &what, end, CREDENTIAL_DAYS);
                }
                Thing::Crl(crl, StaleCrl::Refuse) if end < self.now => {
                    let what =
                        format!("the CRL of {:?} is stale: certificates of this CA are refused", crl.issuer);
                    self.report(Kind::CrlRefuses, what, Some(end));
                }
                Thing::Crl(crl, StaleCrl::Report) if end < self.now => {
                    let what = format!("the CRL of {:?} is stale", crl.issuer);
                    self.report(Kind::CrlStale, what, Some(end));
                }
                Thing::Crl(..) | Thing::Credential { .. } => {}
            }
        }
    }

    /// Reports the certificates that are ordered by ACME and missing, or not renewed.
    fn orders(&mut self, site: &Site, orders: &Orders) {
        for (name, state) in orders.states() {
            let (since, why) = match state.failure {
                Some(failure) => (Some(failure.since), failure.why),
                None => (None, "it is being ordered".to_owned()),
            };
            if site.awaiting.contains(&name) {
                let what = format!("{name} is not served: it has no certificate yet: {why}");
                self.report(Kind::CertificateMissing, what, since);
            } else if let (Some(since), Some(domain)) = (since, site.domains.get(&name))
                && let Some((_, certificate)) = domain.tls.certificates().next()
            {
                self.not_renewed(&name, certificate.validity(), since, &why);
            }
        }
    }

    /// Reports a certificate whose renewal fails: as degraded once so little time is left that somebody must act now.
    fn not_renewed(
        &mut self,
        name: &str,
        Validity { not_before, not_after }: Validity,
        since: Timestamp,
        why: &str,
    ) {
        let left = not_after.seconds_since(self.now);
        let expires = if left < 0 { "expired" } else { "expires" };
        let what = format!(
            "the server certificate of {name}, which {expires} on {not_after}, has not been renewed since {since}: {why}"
        );
        let is_urgent = left < URGENT.min(not_after.seconds_since(not_before) / URGENT_PART);
        let kind = if is_urgent { Kind::CertificateNotRenewed } else { Kind::CertificateRenewal };
        self.report(kind, what, Some(not_after));
    }

    /// Reports applications whose last credential has expired or will soon. One that has a successor already is not a problem.
    fn applications(&mut self, credentials: &CredentialEnds) {
        let (expired, valid) = credentials.expired(self.now);
        let soon = valid.partition_point(|one| one.end.days_since(self.now) < CREDENTIAL_DAYS);
        for (kind, ends, described) in [
            (Kind::CredentialExpired, expired, EXPIRED),
            (Kind::CredentialExpiring, valid.split_at(soon).0, EXPIRING),
        ] {
            let last = Last::of(ends);
            if let Some((what, at)) = last.described(described) {
                self.report_all(kind, last.count, what, Some(at));
            }
        }
    }
}

/// Applications whose last credential ends.
struct Last<'a> {
    count: usize,
    /// The soonest, at most [`NAMED`].
    soonest: Vec<&'a CredentialEnd>,
}

impl<'a> Last<'a> {
    /// Those whose last credential is one of these, which are sorted by their ends.
    fn of(ends: &'a [CredentialEnd]) -> Self {
        let (mut count, mut soonest) = (0, Vec::<&CredentialEnd>::new());
        for one in ends.iter().filter(|one| one.is_last) {
            count += 1;
            // Of many that end together, those whose names come first.
            let place =
                soonest.partition_point(|other| (other.end, other.client_id()) < (one.end, one.client_id()));
            if place < NAMED {
                soonest.insert(place, one);
                soonest.truncate(NAMED);
            }
        }
        Self { count, soonest }
    }

    /// What to do about the only application, or `3 applications VERBS: "a", "b", "c"`; and when the first of them ends.
    fn described(&self, (ends, many): (&str, &str)) -> Option<(String, Timestamp)> {
        let first = self.soonest.first()?;
        if self.count == 1 {
            return Some((what_to_do(first, ends)?, first.end));
        }
        let names: Vec<String> = self.soonest.iter().map(|last| format!("{:?}", last.client_id())).collect();
        let more = match self.count - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let what = format!(
            "{} applications {many}: {}{more}; `mtls-edge status --expiring` lists the credentials",
            self.count,
            names.join(", ")
        );
        Some((what, first.end))
    }
}

/// What to do about the last credential of an application, and why.
fn what_to_do(last: &CredentialEnd, ends: &str) -> Option<String> {
    let register = match last.application.credentials().count() {
        0 | 1 => "register another",
        // A third is refused.
        _ => "replace a",
    };
    let (role, credential) = last.registered()?;
    let (table, client_id, name) = (role.key(), last.client_id(), credential.name);
    Some(format!(
        "{register} [[application.{table}]] for the application {client_id:?}, whose last one, {name:?}, {ends}"
    ))
}
