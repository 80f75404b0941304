//! The problems of upstreams.

use super::{Found, Kind};
use crate::site::Site;

impl Found {
    /// Reports the origins that do not work, and those whose names cannot be looked up.
    pub(super) fn upstreams(&mut self, site: &Site) {
        let mut seen: Vec<&str> = Vec::new();
        for target in site.pooled_targets() {
            let name = target.spec.name.as_str();
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let origins: Vec<_> = target.origins().collect();
            let (mut failing, mut begins) = (Vec::new(), Vec::new());
            for origin in &origins {
                if let Some(reason) = origin.failing {
                    let why = origin.last_failure.as_ref().map_or("", |last| &last.why);
                    let lookup = origin.lookup_failure.as_ref().filter(|lookup| lookup.why != why);
                    let lookup = lookup.map_or_else(String::new, |lookup| {
                        format!("; its host name cannot be looked up since {}: {}", lookup.at, lookup.why)
                    });
                    failing.push(format!("{} ({}: {why}{lookup})", origin.url, reason.name()));
                    begins.extend(origin.failing_since);
                } else if let Some(lookup) = &origin.lookup_failure {
                    let what = format!(
                        "the host name of {} of the upstream {name:?} cannot be looked up, its last addresses are used: {}",
                        origin.url, lookup.why
                    );
                    self.report(Kind::UpstreamUnresolved, what, Some(lookup.at));
                }
                if let (None, true, Some(last)) = (origin.failing, origin.is_unproven, &origin.last_failure) {
                    let what = format!(
                        "{} of the upstream {name:?} accepts connections, but no request has tried it since it failed: {}",
                        origin.url, last.why
                    );
                    self.report(Kind::OriginFailing, what, Some(last.at));
                }
            }
            if failing.is_empty() {
                continue;
            }
            let failing_origins = failing.join(", ");
            if failing.len() == origins.len() {
                // Until the last one failed, something was served.
                let what = format!("no origin of the upstream {name:?} works: {failing_origins}");
                self.report(Kind::UpstreamDown, what, begins.into_iter().max());
            } else {
                let what = format!("origins of the upstream {name:?} do not work: {failing_origins}");
                self.report(Kind::OriginFailing, what, begins.into_iter().min());
            }
        }
    }
}
