//! The problems of documents that are fetched.

use super::{Found, Kind};
use crate::{
    observe::Fetches,
    site::{Site, Verification},
    trust::{Keys, Method},
};

/// The most fetches of one kind, and missing key sets, that are reported: every application may have a key set.
const FETCHES: usize = 20;

impl Found {
    /// Reports those without whose key set nothing can be verified: it has never been fetched, and none is cached.
    pub(super) fn missing_key_sets(&mut self, site: &Site) {
        let applications = site.trust.registry.applications().filter_map(|application| {
            let Method::PrivateKeyJwt(Keys::Published(published)) = &application.method else { return None };
            let id = application.client_id.as_str();
            published.keys.is_none().then(|| {
                format!("each assertion of the application {id:?} is refused: its key set {} has not been fetched yet", published.url)
            })
        });
        let issuers = site.token_issuers.iter().filter_map(|issuer| {
            let Verification::Keys(published) = &issuer.verification else { return None };
            published.keys.is_none().then(|| {
                format!("no access token of the token issuer {:?} can be verified: its key set has not been fetched yet", issuer.name)
            })
        });
        for what in issuers.chain(applications).take(FETCHES) {
            self.report(Kind::KeySetMissing, what, None);
        }
    }

    /// Reports fetches that fail.
    pub(super) fn fetches(&mut self, kind: &str, fetches: &Fetches) {
        let failing = fetches
            .states()
            .into_iter()
            .filter_map(|(source, state)| Some((source, state.failing_since, state.failure?)));
        for (source, since, (_, why)) in failing.take(FETCHES) {
            let what = format!("the {kind} {} cannot be fetched: {why}", source.url);
            self.report(Kind::FetchFailing, what, since);
        }
    }
}
