//! An HTTP/1.1 connection while it carries a request.

use std::{future::poll_fn, time::Duration};

use http_body::SizeHint;

use super::{
    idle::Idle,
    pooled::{Http1, PooledHttp1},
};
use crate::h1;

/// How long the response to a cancelled request is read.
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// The most bytes of such a response that are read.
const DRAIN_BYTES: usize = 64 * 1024;

/// A connection on loan from an origin's pool.
///
/// If the client cancels the request, a short response that arrives soon is still read, and the connection is reused. Otherwise each
/// cancelled request would cost the upstream a connection: thousands of them fill its accept queue, and the kernel then drops the SYNs
/// of honest requests, which are sent again only after a second. Until then the request remains in flight, and counts against the limit.
pub(super) struct Lease {
    /// None once it is released or closed.
    connection: Option<Box<PooledHttp1>>,
    idle: Idle,
}

impl Lease {
    pub(super) const fn new(connection: Box<PooledHttp1>, idle: Idle) -> Self {
        Self { connection: Some(connection), idle }
    }

    /// The connection, unless it was released or closed.
    pub(super) fn connection(&mut self) -> Option<&mut PooledHttp1> {
        self.connection.as_deref_mut()
    }

    /// Takes the connection out of the lease if the predicate holds, with the pool that it belongs to.
    pub(super) fn take_if(
        &mut self,
        predicate: impl FnOnce(&Http1) -> bool,
    ) -> Option<(Box<PooledHttp1>, Idle)> {
        let connection = self.connection.take_if(|connection| predicate(&connection.http1))?;
        Some((connection, self.idle.clone()))
    }

    /// Releases the connection to its pool if the response is complete.
    pub(super) fn release_if_complete(&mut self) {
        if let Some(connection) = self.connection.take_if(|connection| connection.http1.is_end_stream()) {
            self.idle.release(connection);
        }
    }

    /// Closes the connection, after an error or a timeout.
    pub(super) fn close(&mut self) {
        self.connection = None;
    }

    /// Whether the connection was released or closed.
    pub(super) const fn is_finished(&self) -> bool {
        self.connection.is_none()
    }

    /// The size of the rest of the response's body.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.connection
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |connection| connection.http1.size_hint())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take_if(|connection| is_worth_draining(&connection.http1))
        else {
            return;
        };
        let idle = self.idle.clone();
        tokio::task::spawn_local(async move {
            let read = tokio::time::timeout(DRAIN_TIME, drain(&mut connection.http1)).await;
            if matches!(read, Ok(Ok(true))) {
                idle.release(connection);
            } else {
                idle.discard(connection).await;
            }
        });
    }
}

/// Whether the connection can be reused after a response that is short, as far as is known.
fn is_worth_draining(http1: &Http1) -> bool {
    let most = u64::try_from(DRAIN_BYTES).unwrap_or(u64::MAX);
    http1.is_reusable() && (http1.awaits_head() || http1.size_hint().lower() <= most)
}

/// Reads the rest of a response; false if it is too long.
async fn drain(http1: &mut Http1) -> Result<bool, h1::Error> {
    if http1.awaits_head() {
        poll_fn(|cx| http1.poll_head(cx)).await?;
    }
    let mut left = DRAIN_BYTES;
    while !http1.is_end_stream() && is_worth_draining(http1) {
        let Some(frame) = poll_fn(|cx| http1.poll_frame(cx)).await else { break };
        let length = frame?.data_ref().map_or(0, bytes::Bytes::len);
        let Some(remaining) = left.checked_sub(length) else { return Ok(false) };
        left = remaining;
    }
    Ok(http1.is_end_stream())
}
