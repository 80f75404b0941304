//! Opens a connection to an origin and closes it, as `check --probe` does.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

use super::{Target, connect::connect, resolved::Resolved};
use crate::net::WriteBatcher;

/// Descriptors for the addresses of one origin that are tried in parallel.
const ATTEMPTS: usize = 4;

/// Connects to an origin of a target as requests do: TCP, and TLS with the target's roots and server name.
///
/// # Errors
///
/// Why it cannot be reached within `limit`, or the target has no such origin.
pub async fn probe(
    target: &Target,
    index: usize,
    batcher: &WriteBatcher,
    limit: Duration,
) -> Result<(), String> {
    let address = target.spec.origins.get(index).ok_or("the upstream has no such origin")?;
    let permits = Arc::new(Semaphore::new(ATTEMPTS));
    let permit = Arc::clone(&permits).acquire_owned().await.map_err(|error| error.to_string())?;
    let limit = limit.min(target.spec.limits.connect_timeout);
    let resolved = Resolved::default();
    let connected = connect(target, address, &resolved, batcher, permit, &permits);
    match timeout(limit, connected).await {
        Ok(Some(opened)) => opened.map(drop),
        Ok(None) | Err(_) => Err(format!("no connection within {limit:?}")),
    }
}
