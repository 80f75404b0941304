//! What is in use beside its limit, computed at each scrape.

use std::sync::Arc;

use super::{bound::ByLimit, shared::Shared};
use crate::observe::metrics::{self, Collector, Families, Totals};

/// The gauges of connections, bodies and upstreams.
pub(super) struct Gauges(pub(super) Arc<Shared>);

impl Collector for Gauges {
    fn collect(&self, families: &mut Families) {
        let Self(shared) = self;
        let ByLimit { open, handshakes } = &shared.bounds;
        families.set(&metrics::CONNECTIONS, [], open.in_use());
        families.set(&metrics::CONNECTIONS_LIMIT, [], open.limit);
        families.set(&metrics::HANDSHAKES_IN_FLIGHT, [], handshakes.in_use());
        families.set(&metrics::HANDSHAKES_LIMIT, [], handshakes.limit);
        let (upstream, free) = (shared.shares.upstream, shared.upstream_places.available_permits());
        families.set(&metrics::UPSTREAM_CONNECTIONS, [], upstream.saturating_sub(free));
        families.set(&metrics::UPSTREAM_CONNECTIONS_LIMIT, [], upstream);
        families.set(&metrics::BUFFERED_BYTES, [], shared.bodies.now());
        let site = shared.site.load();
        families.set(&metrics::BUFFERED_BYTES_LIMIT, [], site.limits.buffered_bytes);
        for target in site.pooled_targets() {
            let name = [target.spec.name.as_str()];
            families.set(&metrics::UPSTREAM_REQUESTS, name, target.in_flight());
            families.set(&metrics::UPSTREAM_REQUESTS_LIMIT, name, target.spec.limits.connections);
            families.set(&metrics::UPSTREAM_RETRIES, name, target.retries());
            for origin in target.origins() {
                let labels = [target.spec.name.as_str(), origin.url.as_str()];
                families.set(&metrics::UPSTREAM_ORIGIN_FAILING, labels, u8::from(origin.failing.is_some()));
                families.set(&metrics::UPSTREAM_ORIGIN_REQUESTS, labels, origin.in_flight);
                families.set(&metrics::UPSTREAM_EJECTIONS, labels, origin.ejections);
            }
        }
    }

    fn add_to(&self, totals: &mut Totals) {
        totals.connections += self.0.bounds.open.in_use();
    }
}
