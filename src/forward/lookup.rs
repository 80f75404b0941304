//! Looks up the host names of origins at regular intervals, so that no request waits for the resolver.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    pin::pin,
    time::Duration,
};

use tokio::{
    net::lookup_host,
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use super::{
    Origin, Target,
    health::OriginHealth,
    resolved::{NO_ADDRESS, unanswered},
};

/// A lookup that takes longer is slow: its resolver may be silent, and a lookup takes a thread until that is given up.
const SLOW: Duration = Duration::from_millis(500);

/// Whether the origin has a host name of which no address is known yet.
pub(super) fn is_unresolved(target: &Target, index: usize) -> bool {
    let origin = target.spec.origins.get(index).and_then(|address| address.network());
    origin.is_some_and(|origin| origin.host.parse::<IpAddr>().is_err())
        && target.health.0.get(index).is_some_and(|health| health.addresses.current().is_none())
}

/// Looks up the host name of an origin until the future is dropped. Does nothing if the host is an address. If a lookup fails, the addresses
/// that were found before stay; without any, the origin is unreachable. After a slow lookup, the next one waits for one of the `slow` turns, so
/// that other names have threads.
pub(super) async fn keep_resolved(target: &Target, health: &OriginHealth, origin: &Origin, slow: &Semaphore) {
    if origin.host.parse::<IpAddr>().is_ok() {
        return;
    }
    let upstream = &*target.spec.name;
    let refresh = target.spec.policy.dns_refresh;
    let (resolved, mut is_slow) = (&health.addresses, false);
    loop {
        let turn = if is_slow { slow.acquire().await.ok() } else { None };
        let begin = Instant::now();
        let found = answer(target, health, origin).await;
        is_slow = begin.elapsed() > SLOW;
        drop(turn);
        match found {
            Ok(found) => {
                let shown = Addresses(&found).to_string();
                if resolved.replace(found) {
                    tracing::info!(
                        upstream,
                        origin = origin.url(),
                        addresses = shown,
                        "addresses of the origin changed"
                    );
                }
            }
            Err(error) => record_failure(upstream, health, origin, &error),
        }
        sleep(refresh).await;
    }
}

/// Looks up the host name once. Records a failure while the resolver is silent for long: it may be for minutes.
async fn answer(target: &Target, health: &OriginHealth, origin: &Origin) -> Result<Vec<SocketAddr>, String> {
    // Without an address requests wait for as long as this. With one, nothing is late before the next lookup is due.
    let mut limit = target.spec.limits.connect_timeout;
    if health.addresses.current().is_some() {
        limit = limit.max(target.spec.policy.dns_refresh);
    }
    let mut lookup = pin!(lookup_host((origin.host.as_str(), origin.port)));
    let found = if let Ok(found) = timeout(limit, &mut lookup).await {
        found
    } else {
        record_failure(&target.spec.name, health, origin, &unanswered(&origin.host, limit));
        lookup.await
    };
    let found: Vec<_> = found.map_err(|error| error.to_string())?.collect();
    if found.is_empty() { Err(NO_ADDRESS.to_owned()) } else { Ok(found) }
}

fn record_failure(upstream: &str, health: &OriginHealth, origin: &Origin, error: &str) {
    let is_first = health.addresses.fail(error);
    if health.addresses.current().is_none() {
        health.record_unreachable(error);
    } else if is_first {
        tracing::warn!(
            upstream,
            origin = origin.url(),
            error,
            "cannot look up the origin; its last addresses stay"
        );
    }
}

struct Addresses<'a>(&'a [SocketAddr]);

impl fmt::Display for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", address.ip())?;
        }
        Ok(())
    }
}
