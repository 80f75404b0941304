//! Metrics of the used `jti` values.

use std::sync::Arc;

use crate::{
    clock::Clock,
    observe::metrics::{ASSERTION_IDS, ASSERTION_IDS_LIMIT, ASSERTION_IDS_REFUSED, Collector, Families},
    replay::ReplayStore,
    site::SiteHandle,
};

/// Reads the store at each scrape.
#[derive(Debug)]
pub struct AssertionIds {
    store: Arc<ReplayStore>,
    site: SiteHandle,
    clock: Clock,
}

impl AssertionIds {
    /// Reads this store; the limit is that of the active site.
    #[must_use]
    pub fn of(store: Arc<ReplayStore>, site: SiteHandle, clock: Clock) -> Self {
        Self { store, site, clock }
    }
}

impl Collector for AssertionIds {
    fn collect(&self, families: &mut Families) {
        // Expired values don't count. Without requests nothing else would remove them.
        self.store.sweep(self.clock.now());
        families.set(&ASSERTION_IDS, [], self.store.in_use());
        families.set(&ASSERTION_IDS_LIMIT, [], self.site.load().limits.assertion_ids);
        for (reason, count) in self.store.refusals() {
            families.set(&ASSERTION_IDS_REFUSED, [reason.as_str()], count);
        }
    }
}
