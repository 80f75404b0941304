//! The addresses of an origin's host name, as the last lookups found them.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::task::spawn_blocking;

use super::{Origin, failure::Failure};

/// Why a lookup that found nothing has failed.
pub(super) const NO_ADDRESS: &str = "the host name has no address";

/// Why a host name has no addresses after this time, for the log.
pub(super) fn unanswered(host: &str, limit: Duration) -> String {
    format!(
        "the lookup of {host} has not answered within {limit:?}: check the name servers in /etc/resolv.conf"
    )
}

/// Looks up the host on a thread if it is a name. The thread calls `begin` first, since the wait for it says nothing about the resolver of this name. What
/// that returns is dropped when the thread is free, even if the future was dropped before.
///
/// # Errors
///
/// A sentence for the log.
pub(super) async fn look_up<T>(
    origin: &Origin,
    begin: impl FnOnce() -> T + Send + 'static,
) -> Result<Vec<SocketAddr>, String> {
    let (host, port) = (origin.host.clone(), origin.port);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let lookup = spawn_blocking(move || {
        let _held = begin();
        #[expect(clippy::disallowed_methods, reason = "this thread may block")]
        let found = (host.as_str(), port).to_socket_addrs();
        let found: Vec<_> = found.map_err(|error| error.to_string())?.collect();
        if found.is_empty() { Err(NO_ADDRESS.to_owned()) } else { Ok(found) }
    });
    lookup.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// Addresses in a sentence, without their port.
pub(super) struct Listed<'a>(pub(super) &'a [SocketAddr]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", address.ip())?;
        }
        Ok(())
    }
}

/// The addresses that were found last; none before the first lookup, and for an origin without a host name.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    addresses: ArcSwapOption<Vec<SocketAddr>>,
    /// The first failure since the last successful lookup.
    failure: Mutex<Option<Failure>>,
    /// Whether a connection needed a lookup that has begun, and no such lookup has answered since.
    is_awaited: Arc<AtomicBool>,
}

impl Resolved {
    /// The addresses in the resolver's order.
    pub(super) fn current(&self) -> Option<Arc<Vec<SocketAddr>>> {
        self.addresses.load_full()
    }

    /// The addresses for a connection: those that are known, or else those that are found now.
    ///
    /// # Errors
    ///
    /// A sentence for the log.
    pub(super) async fn known_or_found(&self, origin: &Origin) -> Result<Vec<SocketAddr>, String> {
        if let Some(known) = self.current() {
            return Ok(known.to_vec());
        }
        let is_awaited = Arc::clone(&self.is_awaited);
        // Not reset if the future is dropped: its time is over, and why is asked afterwards.
        let found = look_up(origin, move || is_awaited.store(true, Relaxed)).await;
        self.is_awaited.store(false, Relaxed);
        found
    }

    /// Whether a connection cannot be opened because no lookup has answered yet.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Relaxed) && self.current().is_none()
    }

    /// Since when the name cannot be looked up, and why.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failing().clone()
    }

    fn failing(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the outcome of a lookup that failed. Returns whether the one before did not fail.
    pub(super) fn fail(&self, why: &str) -> bool {
        let mut failing = self.failing();
        let is_first = failing.is_none();
        failing.get_or_insert_with(|| Failure::now(why));
        is_first
    }

    /// Whether the name may still have this address. True for a connection without an address.
    pub(super) fn contains(&self, peer: Option<SocketAddr>) -> bool {
        let (Some(peer), Some(current)) = (peer, self.current()) else { return true };
        // A scope may differ between what is looked up and what is connected.
        current.iter().any(|address| address.ip() == peer.ip() && address.port() == peer.port())
    }

    /// Stores the addresses. Returns whether there were others before.
    pub(super) fn replace(&self, found: Vec<SocketAddr>) -> bool {
        let found = Arc::new(found);
        *self.failing() = None;
        let before = self.addresses.swap(Some(Arc::clone(&found)));
        before.is_some_and(|before| {
            let is_known = |address: &SocketAddr| before.contains(address);
            before.len() != found.len() || !found.iter().all(is_known)
        })
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
