//! What the configuration keeps running in the background: fetches of documents, and orders of certificates.

use std::sync::Arc;

use crate::{
    acme::Renewer,
    clock::Clock,
    config::settings::Settings,
    load::WantedKeySet,
    observe::Reloads,
    source::{crl::CrlFetcher, key_sets::KeySetFetcher},
    tls::Challenges,
};

/// Fetch the documents that the configuration names, and order certificates.
pub(super) struct Fetchers {
    crls: CrlFetcher,
    key_sets: KeySetFetcher,
    certificates: Renewer,
}

impl Fetchers {
    pub(super) fn new(reloads: &Arc<Reloads>, clock: &Clock, challenges: Challenges) -> Self {
        Self {
            crls: CrlFetcher::new(Arc::clone(reloads), clock.clone()),
            key_sets: KeySetFetcher::new(Arc::clone(reloads)),
            certificates: Renewer::new(Arc::clone(reloads), clock.clone(), challenges),
        }
    }

    /// From now on fetches the documents of these configurations, each with its key sets, and orders the certificates of the first.
    pub(super) fn fetch(&mut self, wanted: &[(&Settings, &[WantedKeySet])]) {
        if let Some((settings, _)) = wanted.first() {
            self.certificates.order_for(settings);
        }
        self.crls.fetch_for(&wanted.iter().map(|(settings, _)| &settings.trust).collect::<Vec<_>>());
        self.key_sets.fetch(wanted.iter().flat_map(|(_, key_sets)| *key_sets));
    }
}
