//! The addresses of an origin's host name, looked up at regular intervals so that no request waits for the resolver.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::{net::lookup_host, time::sleep};

use super::Origin;

/// The addresses that were found last; none before the first lookup, and for an origin without a host name.
#[derive(Debug, Default)]
pub(super) struct Resolved(ArcSwapOption<Vec<SocketAddr>>);

impl Resolved {
    /// The addresses in the resolver's order.
    pub(super) fn current(&self) -> Option<Arc<Vec<SocketAddr>>> {
        self.0.load_full()
    }

    /// Whether the name may still have this address. True for a connection without an address.
    pub(super) fn contains(&self, peer: Option<SocketAddr>) -> bool {
        let (Some(peer), Some(current)) = (peer, self.current()) else { return true };
        // A scope may differ between what is looked up and what is connected.
        current.iter().any(|address| address.ip() == peer.ip() && address.port() == peer.port())
    }

    /// Stores the addresses. Returns whether there were others before.
    fn replace(&self, found: Vec<SocketAddr>) -> bool {
        let found = Arc::new(found);
        let before = self.0.swap(Some(Arc::clone(&found)));
        before.is_some_and(|before| {
            let is_known = |address: &SocketAddr| before.contains(address);
            before.len() != found.len() || !found.iter().all(is_known)
        })
    }
}

/// Looks up the host name of an origin until the future is dropped. Does nothing if the host is an address. If a lookup fails, the addresses
/// that were found before stay.
pub(super) async fn keep_resolved(resolved: &Resolved, origin: &Origin, upstream: &str, refresh: Duration) {
    if origin.host.parse::<IpAddr>().is_ok() {
        return;
    }
    let mut is_failing = false;
    loop {
        let found = lookup_host((origin.host.as_str(), origin.port)).await.map(Vec::from_iter);
        let failure = match found {
            Ok(found) if found.is_empty() => Some("the host name has no address".to_owned()),
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
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = failure.as_ref().filter(|_| !is_failing) {
            tracing::warn!(
                upstream,
                origin = origin.url(),
                error,
                "cannot look up the origin; its last addresses stay"
            );
        }
        is_failing = failure.is_some();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_of_the_set_of_addresses() {
        let at = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let resolved = Resolved::default();
        let one: SocketAddr = "192.0.2.1:443".parse().unwrap();
        assert!(resolved.contains(Some(one)), "nothing is known yet");
        assert!(!resolved.replace(at(&["192.0.2.1:443", "[2001:db8::1]:443"])), "the first");
        assert!(!resolved.replace(at(&["[2001:db8::1]:443", "192.0.2.1:443"])), "another order");
        assert!(resolved.contains(Some(one)) && resolved.contains(None));
        assert!(resolved.replace(at(&["[2001:db8::1]:443"])));
        assert!(!resolved.contains(Some(one)));
        assert!(resolved.replace(at(&["[2001:db8::2]:443"])));
    }
}
