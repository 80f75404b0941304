//! Looks up the host names of origins at regular intervals, so that no request waits for the resolver.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::lookup_host,
    sync::Semaphore,
    time::{Instant, sleep},
};

use super::{Origin, Target, health::OriginHealth, resolved::NO_ADDRESS};

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
pub(super) async fn keep_resolved(
    health: &OriginHealth,
    origin: &Origin,
    upstream: &str,
    refresh: Duration,
    slow: &Semaphore,
) {
    if origin.host.parse::<IpAddr>().is_ok() {
        return;
    }
    let (resolved, mut is_slow) = (&health.addresses, false);
    loop {
        let turn = if is_slow { slow.acquire().await.ok() } else { None };
        let begin = Instant::now();
        let found = lookup_host((origin.host.as_str(), origin.port)).await.map(Vec::from_iter);
        is_slow = begin.elapsed() > SLOW;
        drop(turn);
        let found = found.map_err(|error| error.to_string());
        match found.and_then(|found| if found.is_empty() { Err(NO_ADDRESS.to_owned()) } else { Ok(found) }) {
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
            Err(error) => {
                let is_first = resolved.fail(&error);
                if resolved.current().is_none() {
                    health.record_unreachable(&error);
                } else if is_first {
                    tracing::warn!(
                        upstream,
                        origin = origin.url(),
                        error,
                        "cannot look up the origin; its last addresses stay"
                    );
                }
            }
        }
        sleep(refresh).await;
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
