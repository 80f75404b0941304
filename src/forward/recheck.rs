//! Connects to an origin that fails, so that its state recovers without a request.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    Target,
    check::jittered,
    connect::{connect, timed_out},
    lane::Lane,
    lookup::is_unresolved,
    origin::WorkerResources,
};

/// The time before the first connection to an origin that fails. It doubles after each.
const FIRST: Duration = Duration::from_secs(1);
/// The most time between two of them.
const MOST: Duration = Duration::from_secs(15);

/// Connects to one origin of a target while it is failing, until the future is dropped.
pub(super) async fn recheck_origin(lane: Rc<Lane>, target: Arc<Target>, index: usize) {
    let Some(health) = target.health.0.get(index) else { return };
    loop {
        health.begins_to_fail().await;
        let mut pause = FIRST;
        while health.is_failing() {
            sleep(jittered(pause)).await;
            pause = MOST.min(pause * 2);
            match try_to_connect(&lane, &target, index).await {
                Some(Ok(())) => health.record_accepts(Instant::now()),
                Some(Err(why)) => health.record_unreachable(&why),
                None => {}
            }
        }
    }
}

/// Opens a connection as requests do, and closes it. None if no descriptor is left for it.
async fn try_to_connect(lane: &Lane, target: &Target, index: usize) -> Option<Result<(), String>> {
    let (address, health) = (target.spec.origins.get(index)?, target.health.0.get(index)?);
    // Its name is looked up all the time, which reports a failure: another lookup would only take a thread.
    if is_unresolved(target, index) {
        return None;
    }
    let _turn = lane.turn().await;
    let permit = lane.pools.acquire_connection_permit().await?;
    let (batcher, permits) = (lane.pools.batcher(), Arc::clone(lane.pools.connection_permits()));
    let opened = connect(target, address, &health.addresses, &batcher, permit, &permits).await;
    let timed_out = || Err(timed_out(address, &health.addresses, target.spec.limits.connect_timeout));
    Some(opened.map_or_else(timed_out, |opened| opened.map(drop).map_err(|error| error.to_string())))
}
