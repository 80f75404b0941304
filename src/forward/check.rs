//! Active health checks: a request of the edge's own to each origin at regular intervals.

use std::{collections::hash_map::RandomState, hash::BuildHasher, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, header, uri::PathAndQuery};
use tokio::time::{sleep, timeout};

use super::{RequestBody, Target, lane::Lane, lookup::is_unresolved, origin::NotConnected};

/// The time between two looks whether a check is possible: whether its origin has an address, or a descriptor is left.
const LOOK: Duration = Duration::from_millis(100);

/// Checks one origin of a target until the future is dropped. Does nothing without a health check.
pub(super) async fn check_origin(lane: Rc<Lane>, target: Arc<Target>, index: usize) {
    let (Some(check), Some(health)) =
        (target.spec.policy.health_check.clone(), target.health.0.get(index).cloned())
    else {
        return;
    };
    loop {
        // Without an address the origin is unreachable: what looks it up reports that.
        while is_unresolved(&target, index) {
            sleep(LOOK).await;
        }
        let turn = lane.turn().await;
        let outcome = loop {
            let request = request(&target, check.path.clone());
            match timeout(check.timeout, lane.pools.send_to(&target, index, request)).await {
                Ok(Ok(response)) if response.status() == check.expect => break Ok(()),
                Ok(Ok(response)) => {
                    let status = response.status();
                    break Err(format!("the response has status {status}, expected {}", check.expect));
                }
                // That is about this process, and says nothing about the origin.
                Ok(Err(NotConnected::NoDescriptor)) => sleep(LOOK).await,
                Ok(Err(NotConnected::Failed(error))) => break Err(error),
                Err(_) => break Err(format!("no response within {:?}", check.timeout)),
            }
        };
        drop(turn);
        health.record_check(outcome);
        sleep(jittered(check.interval)).await;
    }
}

/// A GET request of the edge's own.
pub(super) fn request(target: &Target, path: PathAndQuery) -> Request<RequestBody> {
    let mut request = Request::new(RequestBody::buffered(Bytes::new()));
    *request.uri_mut() = path.into();
    let headers = request.headers_mut();
    let authority = target.spec.origins.first().map(super::Address::authority).unwrap_or_default();
    let host = target.spec.host.clone().or_else(|| HeaderValue::try_from(authority).ok());
    headers.extend(host.map(|host| (header::HOST, host)));
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("mtls-edge/", env!("CARGO_PKG_VERSION"))),
    );
    headers.extend(target.spec.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    request
}

/// Up to a tenth more or less, so that several edges do not check at the same moment.
pub(crate) fn jittered(interval: Duration) -> Duration {
    let parts = RandomState::new().hash_one(()) % 201;
    interval.mul_f64(0.9 + f64::from(u8::try_from(parts).unwrap_or(100)) / 1000.0)
}
