//! What is in use beside its limit, computed at each scrape.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{shared::Shared, shares::Shares};
use crate::observe::metrics::{self, Families};

/// Sets the gauges of connections, bodies and upstreams.
pub(super) fn gauges(shared: &Shared) -> impl Fn(&mut Families) + Send + Sync + 'static {
    let Shares { connections, upstream, .. } = shared.shares;
    let (free, upstream_free) = (Arc::clone(&shared.places), Arc::clone(&shared.upstream_places));
    let (buffered, site) = (Arc::clone(&shared.buffered), Arc::clone(&shared.site));
    move |families| {
        let open = |limit: usize, free: &Semaphore| limit.saturating_sub(free.available_permits());
        families.set(&metrics::CONNECTIONS, [], open(connections, &free));
        families.set(&metrics::CONNECTIONS_LIMIT, [], connections);
        families.set(&metrics::UPSTREAM_CONNECTIONS, [], open(upstream, &upstream_free));
        families.set(&metrics::UPSTREAM_CONNECTIONS_LIMIT, [], upstream);
        families.set(&metrics::BUFFERED_BYTES, [], buffered.now());
        let site = site.load();
        families.set(&metrics::BUFFERED_BYTES_LIMIT, [], site.limits.buffered_bytes);
        for target in site.pooled_targets() {
            let name = [target.spec.name.as_str()];
            families.set(&metrics::UPSTREAM_REQUESTS, name, target.in_flight());
            families.set(&metrics::UPSTREAM_REQUESTS_LIMIT, name, target.spec.limits.connections);
            families.set(&metrics::UPSTREAM_RETRIES, name, target.retries());
            for origin in target.origins() {
                let labels = [target.spec.name.as_str(), origin.url.as_str()];
                families.set(&metrics::UPSTREAM_ORIGIN_FAILING, labels, u8::from(origin.avoided.is_some()));
                families.set(&metrics::UPSTREAM_ORIGIN_REQUESTS, labels, origin.in_flight);
                families.set(&metrics::UPSTREAM_EJECTIONS, labels, origin.ejections);
            }
        }
    }
}
