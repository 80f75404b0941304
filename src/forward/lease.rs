//! A connection of HTTP/1.1 while it carries a request.

use std::{future::poll_fn, time::Duration};

use http_body::SizeHint;

use super::{
    idle::Idle,
    pooled::{Http1, Kept},
};
use crate::h1;

/// How long a response that nobody wants any more is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much of it is read, in bytes.
const MOST: usize = 64 * 1024;

/// A connection on loan from an origin's pool.
///
/// If its client gives the request up, the response is still read where it is short and comes soon, and the connection used again.
/// Otherwise each request that is given up would cost the upstream a connection: thousands of them fill the queue of those that it
/// has yet to accept, and there the kernel drops those of honest requests, each of which then waits a second for the next try.
/// For as long, it remains one of the requests in flight, which are bounded.
pub(super) struct Lease {
    /// Until it is given back or closed.
    connection: Option<Kept>,
    idle: Idle,
}

impl Lease {
    pub(super) const fn new(connection: Kept, idle: Idle) -> Self {
        Self { connection: Some(connection), idle }
    }

    /// The connection, unless it was given back or closed.
    pub(super) const fn connection(&mut self) -> Option<&mut Kept> {
        self.connection.as_mut()
    }

    /// The connection and where it is to be given back, in this state.
    pub(super) fn take_if(&mut self, is_so: impl FnOnce(&Http1) -> bool) -> Option<(Kept, Idle)> {
        let connection = self.connection.take_if(|connection| is_so(&connection.http1))?;
        Some((connection, self.idle.clone()))
    }

    /// Gives it back if the response is whole.
    pub(super) fn give_back(&mut self) {
        if let Some(connection) = self.connection.take_if(|connection| connection.http1.is_end_stream()) {
            self.idle.put(connection);
        }
    }

    /// Closes it: nothing more is to be expected from the upstream.
    pub(super) fn close(&mut self) {
        self.connection = None;
    }

    /// Whether it was given back or closed.
    pub(super) const fn is_over(&self) -> bool {
        self.connection.is_none()
    }

    /// Of what is left of the response's body.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.connection
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |connection| connection.http1.size_hint())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take_if(|connection| is_worth_reading(&connection.http1))
        else {
            return;
        };
        let idle = self.idle.clone();
        tokio::task::spawn_local(async move {
            let read = tokio::time::timeout(PATIENCE, read_out(&mut connection.http1)).await;
            if matches!(read, Ok(Ok(true))) {
                idle.put(connection);
            } else {
                idle.discard(connection).await;
            }
        });
    }
}

fn is_worth_reading(http1: &Http1) -> bool {
    let most = u64::try_from(MOST).unwrap_or(u64::MAX);
    http1.is_reusable() && (http1.awaits_head() || http1.size_hint().lower() <= most)
}

/// Reads the rest of a response; false if it is too long.
async fn read_out(http1: &mut Http1) -> Result<bool, h1::Error> {
    if http1.awaits_head() {
        poll_fn(|cx| http1.poll_head(cx)).await?;
    }
    let mut left = MOST;
    while !http1.is_end_stream() && is_worth_reading(http1) {
        let Some(frame) = poll_fn(|cx| http1.poll_frame(cx)).await else { break };
        let length = frame?.data_ref().map_or(0, bytes::Bytes::len);
        let Some(less) = left.checked_sub(length) else { return Ok(false) };
        left = less;
    }
    Ok(http1.is_end_stream())
}
