//! The state of the edge in one word, with the problems that explain it.

mod fetched;
mod kind;
mod upstreams;

use std::sync::atomic::Ordering;

pub(super) use self::kind::Kind;
use super::{
    State,
    status::{Health, Level, Problem},
};
use crate::{
    clock::Timestamp,
    identity::{StaleCrl, Validity},
    observe::{Orders, last_panic, log},
    site::Site,
    trust::{Application, CredentialView, Role},
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
    found.certificates(site);
    found.orders(site, &state.reloads.orders);
    found.crls(site);
    found.applications(site);
    found.upstreams(site);
    found.missing_key_sets(site);
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
        if let Some((at, problems)) = state.reloads.state().failure {
            let what =
                format!("the changed configuration is rejected, the previous one is active: {problems}");
            self.report(Kind::ReloadRejected, what, Some(at));
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
        if let Some(shortage) = state.memory.shortage() {
            self.report(Kind::MemoryShort, shortage, None);
        }
        for failure in log::failures() {
            self.report(Kind::LogFailing, failure.what, Some(failure.since));
        }
        if let Some(shortage) = &state.capacity.shortage {
            self.report(Kind::OpenFiles, shortage.clone(), None);
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

    fn certificates(&mut self, site: &Site) {
        for (name, domain) in &site.domains {
            let Some(certificate) = domain.tls.certificate() else { continue };
            let end = certificate.validity().not_after;
            // One that renews itself may never be valid for so long: it is reported if that fails.
            if domain.renews_itself && end >= self.now {
                continue;
            }
            let codes = (Kind::CertificateExpired, Kind::CertificateExpiring);
            self.expiry(codes, &format!("the server certificate of {name}"), end, CERTIFICATE_DAYS);
        }
        if let Some(end) = site.admin.certificate_end() {
            let codes = (Kind::AdminCertificateExpired, Kind::AdminCertificateExpiring);
            self.expiry(codes, "the certificate of the admin address", end, CERTIFICATE_DAYS);
        }
        for (upstream, end) in site.upstream_certificates() {
            let codes = (Kind::UpstreamCertificateExpired, Kind::UpstreamCertificateExpiring);
            let what = format!("the edge's client certificate for the upstream {upstream:?}");
            self.expiry(codes, &what, end, CERTIFICATE_DAYS);
        }
        for ca in site.trust.authorities.client_cas() {
            let what = format!("the client CA {:?}", ca.subject);
            self.expiry((Kind::CaExpired, Kind::CaExpiring), &what, ca.validity.not_after, CREDENTIAL_DAYS);
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
                && let Some(certificate) = domain.tls.certificate()
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

    /// Reports the newest CRL of each CA if it is stale.
    fn crls(&mut self, site: &Site) {
        let authorities = &site.trust.authorities;
        let now = self.now;
        for crl in authorities.crls_in_force(now).into_iter().filter(|crl| crl.next_update < now) {
            let what = format!("the CRL of {:?} is stale", crl.issuer);
            if authorities.policy().stale == StaleCrl::Refuse {
                let what = format!("{what}: certificates of this CA are refused");
                self.report(Kind::CrlRefuses, what, Some(crl.next_update));
            } else {
                self.report(Kind::CrlStale, what, Some(crl.next_update));
            }
        }
    }

    /// Reports applications whose last credential has expired or will soon. One that has a successor already is not a problem.
    fn applications(&mut self, site: &Site) {
        let (mut expired, mut expiring) = (Ending::default(), Ending::default());
        for application in site.trust.registry.applications() {
            let last = application.credentials().max_by_key(|one| one.ends().unwrap_or(Timestamp::MAX));
            // Without a credential, or with one that does not end, there is no end.
            let Some((last, end)) = last.and_then(|last| Some((last, last.ends()?))) else { continue };
            if last.is_expired(self.now) {
                expired.add(application, last, end);
            } else if end.days_since(self.now) < CREDENTIAL_DAYS {
                expiring.add(application, last, end);
            }
        }
        if let Some((what, at)) = expired.described(EXPIRED) {
            self.report_all(Kind::CredentialExpired, expired.count, what, Some(at));
        }
        if let Some((what, at)) = expiring.described(EXPIRING) {
            self.report_all(Kind::CredentialExpiring, expiring.count, what, Some(at));
        }
    }
}

/// Applications whose last credential ends.
#[derive(Default)]
struct Ending<'a> {
    count: usize,
    /// The soonest, at most [`NAMED`].
    soonest: Vec<Last<'a>>,
}

/// The last credential of an application.
struct Last<'a> {
    application: &'a Application,
    credential: CredentialView<'a>,
    end: Timestamp,
}

impl Last<'_> {
    fn client_id(&self) -> &str {
        self.application.client_id.as_str()
    }

    /// What to do, and why.
    fn described(&self, ends: &str) -> String {
        let register = match self.application.credentials().count() {
            0 | 1 => "register another",
            // A third is refused.
            _ => "replace a",
        };
        let table = Role::Authentication.key();
        let (client_id, name) = (self.client_id(), self.credential.name);
        format!(
            "{register} [[application.{table}]] for the application {client_id:?}, whose last one, {name:?}, {ends}"
        )
    }
}

impl<'a> Ending<'a> {
    fn add(&mut self, application: &'a Application, credential: CredentialView<'a>, end: Timestamp) {
        self.count += 1;
        if self.soonest.len() == NAMED && self.soonest.last().is_some_and(|last| last.end < end) {
            return;
        }
        self.soonest.push(Last { application, credential, end });
        self.soonest.sort_by(|a, b| (a.end, a.client_id()).cmp(&(b.end, b.client_id())));
        self.soonest.truncate(NAMED);
    }

    /// What to do about the only application, or `3 applications VERBS: "a", "b", "c"`; and when the first of them ends.
    fn described(&self, (ends, many): (&str, &str)) -> Option<(String, Timestamp)> {
        let first = self.soonest.first()?;
        if self.count == 1 {
            return Some((first.described(ends), first.end));
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
