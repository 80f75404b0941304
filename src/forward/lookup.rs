//! Looks up the host names of origins at regular intervals, so that no request waits for the resolver.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{sleep, timeout},
};

use super::{
    Origin, Target,
    health::OriginHealth,
    resolved::{Listed, look_up, unanswered},
};

/// A lookup that takes longer is slow: its resolver may be silent, and a lookup takes a thread until that is given up.
const SLOW: Duration = Duration::from_millis(500);

/// Whether the origin has a host name of which no address is known yet.
pub(super) fn is_unresolved(target: &Target, index: usize) -> bool {
    let origin = target.spec.origins.get(index).and_then(|address| address.network());
    origin.is_some_and(Origin::is_named)
        && target.health.0.get(index).is_some_and(|health| health.addresses.current().is_none())
}

/// Looks up the host name of an origin until the future is dropped. Does nothing if the host is an address. If a lookup fails, the addresses
/// that were found before stay; without any, the origin is unreachable. After a slow lookup, the next one waits for one of the `slow` turns, so
/// that other names have threads.
pub(super) async fn keep_resolved(
    target: &Target,
    health: &OriginHealth,
    origin: &Origin,
    slow: &Arc<Semaphore>,
) {
    if !origin.is_named() {
        return;
    }
    let upstream = &*target.spec.name;
    let refresh = target.spec.policy.dns_refresh;
    let (resolved, mut is_slow) = (&health.addresses, false);
    loop {
        let turn = if is_slow { Arc::clone(slow).acquire_owned().await.ok() } else { None };
        let found;
        (found, is_slow) = answer(target, health, origin, turn).await;
        match found {
            Ok(found) => {
                let shown = Listed(&found).to_string();
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

/// Looks up the host name once. Records a failure while the resolver is silent for long: it may be for minutes. Returns also whether the lookup
/// was slow.
async fn answer(
    target: &Target,
    health: &OriginHealth,
    origin: &Origin,
    turn: Option<OwnedSemaphorePermit>,
) -> (Result<Vec<SocketAddr>, String>, bool) {
    // Without an address requests wait for as long as this. With one, nothing is late before the next lookup is due.
    let mut limit = target.spec.limits.connect_timeout;
    if health.addresses.current().is_some() {
        limit = limit.max(target.spec.policy.dns_refresh);
    }
    let late = || record_failure(&target.spec.name, health, origin, &unanswered(&origin.host, limit));
    look_up_within(origin, turn, limit, late).await
}

/// Looks up the host name on a thread, which keeps the turn until it is free; calls `late` if it takes longer than `limit`. Returns also whether the
/// lookup was slow. Its wait for the thread does not count.
async fn look_up_within(
    origin: &Origin,
    turn: Option<OwnedSemaphorePermit>,
    limit: Duration,
    late: impl FnOnce(),
) -> (Result<Vec<SocketAddr>, String>, bool) {
    let (started, start) = oneshot::channel();
    let mut lookup = pin!(look_up(origin, move || {
        // An error: it is not waited for any more.
        let _ = started.send(());
        turn
    }));
    tokio::select! {
        found = &mut lookup => return (found, false),
        _ = start => {}
    }
    let begin = Instant::now();
    let found = if let Ok(found) = timeout(limit, &mut lookup).await {
        found
    } else {
        late();
        lookup.await
    };
    (found, begin.elapsed() > SLOW)
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

#[cfg(test)]
mod tests {
    use tokio::task::spawn_blocking;

    use super::*;

    #[test]
    fn the_wait_for_a_thread_makes_no_lookup_slow() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let other = spawn_blocking(|| std::thread::park_timeout(SLOW * 2));
            let origin = Origin { tls: false, host: "localhost".to_owned(), port: 80 };
            let late = || panic!("it is not late");
            let (found, is_slow) = look_up_within(&origin, None, SLOW, late).await;
            assert_eq!((found.is_ok(), is_slow), (true, false));
            other.await.unwrap();
        });
    }
}
