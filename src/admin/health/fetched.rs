//! The problems of documents that are fetched.

use super::{Found, Kind};
use crate::{
    access_token::IssuerKeys,
    observe::{FetchSource, FetchState, Fetches},
    site::{Site, Verification},
    trust::{Application, Keys, Method},
};

/// The most fetches of one kind, and missing key sets, that are reported one by one: every application may have a key set.
const FETCHES: usize = 20;

/// What is wrong with a key set without keys.
const fn lacks(is_fetched: bool) -> &'static str {
    if is_fetched { "has no keys" } else { "has not been fetched yet" }
}

impl Found {
    /// Reports CRLs that have never been fetched, without which certificates are judged nevertheless (`stale_crl = "report"`).
    pub(super) fn missing_crls(&mut self, site: &Site, fetches: &Fetches) {
        for url in site.trust.missing_crls.iter() {
            let what = format!(
                "revoked certificates of its CA may be accepted: the CRL from {url} has not been fetched yet, or is not valid"
            );
            self.report(Kind::CrlMissing, what, fetches.failing_since(url));
        }
    }

    /// Reports those without whose keys nothing can be verified: the key set has none, or has never been fetched, and none is cached.
    pub(super) fn missing_key_sets(&mut self, site: &Site, fetches: &Fetches) {
        for issuer in &site.token_issuers {
            let Verification::Keys(published) = &issuer.verification else { continue };
            if published.keys.as_ref().is_none_or(IssuerKeys::is_empty) {
                let (name, url, lacks) = (&issuer.name, &published.url, lacks(published.keys.is_some()));
                let what = format!(
                    "no access token of the token issuer {name:?} can be verified: its key set {url} {lacks}"
                );
                self.report(Kind::KeySetMissing, what, fetches.failing_since(url));
            }
        }
        let mut applications: Vec<&Application> =
            site.trust.registry.without_keys().map(|application| &**application).collect();
        let others = applications.len().saturating_sub(FETCHES);
        if others > 0 {
            applications.select_nth_unstable_by(FETCHES, |a, b| a.client_id.cmp(&b.client_id));
            applications.truncate(FETCHES);
        }
        applications.sort_unstable_by(|a, b| a.client_id.cmp(&b.client_id));
        for application in applications {
            let Method::PrivateKeyJwt(Keys::Published(published)) = &application.method else { continue };
            let (id, url) = (application.client_id.as_str(), &published.url);
            let lacks = lacks(published.keys.is_some());
            let what =
                format!("each assertion of the application {id:?} is refused: its key set {url} {lacks}");
            self.report(Kind::KeySetMissing, what, fetches.failing_since(url));
        }
        if others > 0 {
            let what = format!(
                "each assertion of {others} other applications is refused: their key sets have no keys, or have not been fetched yet"
            );
            self.report_all(Kind::KeySetMissing, others, what, None);
        }
    }

    /// Reports fetches that fail.
    pub(super) fn fetches(&mut self, kind: &str, fetches: &Fetches) {
        let mut listed = 0;
        for (FetchSource { url, .. }, FetchState { failing_since, failure, .. }) in fetches.states(FETCHES) {
            let Some((_, why)) = failure else { break };
            listed += 1;
            self.report(
                Kind::FetchFailing,
                format!("the {kind} {url} cannot be fetched: {why}"),
                failing_since,
            );
        }
        let others = fetches.failing().saturating_sub(listed);
        if others > 0 {
            let what = format!("{others} other {kind}s cannot be fetched: /status lists their errors");
            self.report_all(Kind::FetchFailing, others, what, None);
        }
    }
}
