//! The problems of the traffic, with the origins that may be their cause.

use super::{Found, Kind, NAMED};
use crate::{
    admin::{State, recent::Trouble},
    clock::Clock,
    site::Site,
};

/// How many seconds ago an origin may have failed to be named: the traffic is that of the last minute.
const RECENT: i64 = 60;

impl Found {
    /// Reports what the traffic of the last minute says.
    pub(super) fn traffic(&mut self, state: &State, site: &Site) {
        for Trouble { kind, domain, what, since } in state.recent.troubles(&state.metrics.totals(), self.now)
        {
            let failed = match kind {
                Kind::ServerErrors | Kind::SomeServerErrors => failed_origins(site, &domain),
                _ => None,
            };
            let what = match failed {
                Some(failed) => format!("{what}; origins that failed in that time: {failed}"),
                None => what,
            };
            self.report(kind, what, Some(since));
        }
    }
}

/// The origins of a domain that have failed in the last minute, each with its last failure.
fn failed_origins(site: &Site, domain: &str) -> Option<String> {
    // That of failures.
    let now = Clock::System.now();
    let origins = site.domains.get(domain)?.target.origins();
    let failed = origins.filter_map(|origin| {
        let last = origin.last_failure.filter(|last| (0..RECENT).contains(&now.seconds_since(last.at)))?;
        Some(format!("{} ({})", origin.url, last.why))
    });
    let failed: Vec<String> = failed.take(NAMED).collect();
    (!failed.is_empty()).then(|| failed.join(", "))
}
