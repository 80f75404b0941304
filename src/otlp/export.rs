//! The loop of the exporter: collect, send, try again for a while.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Limited};
use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, sleep_until, timeout},
};

use super::{
    counts::{Counts, Dropped, number},
    message::encode,
    response::{Outcome, outcome},
};
use crate::{
    forward::{Pools, RequestBody, jittered},
    net::WriteBatcher,
    site::SiteHandle,
    trace::{BATCH, Queue, Span, Traces},
};

/// The longest body of a response, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;
/// Connections that may be open at once, of those that are reserved for everything but requests.
const CONNECTIONS: usize = 2;
/// The time before an export is sent again, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest time before an export is sent again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long an export is tried. Meanwhile the queue fills.
const PATIENCE: Duration = Duration::from_secs(60);

/// Exports the spans of one queue.
pub(super) struct Export {
    site: SiteHandle,
    queue: Arc<Queue>,
    counts: Arc<Counts>,
    stop: watch::Receiver<Option<Instant>>,
    pools: Pools,
    /// Whether the last attempt has failed; it is logged when that changes.
    is_failing: bool,
}

impl Export {
    /// Must be called in the runtime in which it runs.
    pub(super) fn new(
        site: SiteHandle,
        queue: Arc<Queue>,
        counts: Arc<Counts>,
        stop: watch::Receiver<Option<Instant>>,
    ) -> Self {
        let batcher = WriteBatcher::default();
        tokio::task::spawn_local(batcher.clone().run());
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let pools = Pools::new(batcher, Arc::clone(&permits), permits);
        Self { site, queue, counts, stop, pools, is_failing: false }
    }

    /// Exports until the edge ends.
    pub(super) async fn run(mut self) {
        while self.collect().await {
            let spans = self.queue.take();
            let traces = self.site.load().traces.clone();
            self.pools.sweep(traces.iter().map(|traces| &traces.target));
            match traces {
                Some(traces) => self.deliver(&traces, spans).await,
                None => self.counts.dropped(number(&spans), Dropped::Ended),
            }
        }
        // What is left when the time is over.
        loop {
            let spans = self.queue.take();
            if spans.is_empty() {
                return;
            }
            self.counts.dropped(number(&spans), Dropped::Ended);
        }
    }

    /// Waits for the spans of an export; false at the end, if there are none or the time is over.
    async fn collect(&mut self) -> bool {
        let Self { queue, stop, site, .. } = self;
        let collected = async {
            queue.has(1).await;
            let interval = site.load().traces.as_ref().map(|traces| traces.spec.interval);
            // An elapsed time means that the batch is not full.
            let _ = timeout(interval.unwrap_or_default(), queue.has(BATCH)).await;
        };
        tokio::select! {
            biased;
            until = ending(stop) => until > Instant::now() && queue.has_any(),
            () = collected => true,
        }
    }

    /// Sends spans until the collector accepts or refuses them, or patience or the edge ends.
    async fn deliver(&mut self, traces: &Arc<Traces>, spans: Vec<Span>) {
        let (count, started, mut pauses) = (number(&spans), Instant::now(), Pauses::default());
        let body = Bytes::from(encode(&traces.spec, spans));
        loop {
            let outcome = tokio::select! {
                outcome = post(&self.pools, traces, body.clone()) => outcome,
                () = end(self.stop.clone()) => return self.counts.dropped(count, Dropped::Ended),
            };
            let (why, after) = match outcome {
                Outcome::Accepted { rejected, remark } => {
                    self.accepted(traces, (count, rejected), &remark);
                    return;
                }
                Outcome::Refused(why) => {
                    self.failed(traces, &why, "the collector refuses traces");
                    return self.counts.dropped(count, Dropped::Rejected);
                }
                Outcome::Later { why, after } => (why, after),
            };
            self.failed(traces, &why, "traces cannot be exported; they are sent again");
            let wait = pauses.next(after);
            // At the end each export is sent once.
            if self.stop.borrow().is_some() {
                return self.counts.dropped(count, Dropped::Ended);
            }
            if started.elapsed() + wait > PATIENCE {
                return self.counts.dropped(count, Dropped::Unreachable);
            }
            tokio::select! {
                () = sleep(wait) => {}
                _ = ending(&mut self.stop) => {}
            }
        }
    }

    fn accepted(&mut self, traces: &Traces, (count, rejected): (u64, u64), remark: &str) {
        let rejected = rejected.min(count);
        self.counts.exported(count - rejected);
        self.counts.dropped(rejected, Dropped::Rejected);
        if rejected > 0 {
            self.failed(traces, remark, "the collector refuses a part of the traces");
        } else if std::mem::take(&mut self.is_failing) {
            tracing::info!(collector = traces.target.spec.name, "traces are exported again");
        }
    }

    fn failed(&mut self, traces: &Traces, why: &str, what: &'static str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(collector = traces.target.spec.name, why, "{what}");
        }
    }
}

/// The pauses between the attempts of one export.
struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    /// The next pause. The collector can make it longer and not shorter: one that asks for no pause at all is not flooded.
    fn next(&mut self, asked: Option<Duration>) -> Duration {
        let own = jittered(self.0);
        self.0 = self.0.saturating_mul(2).min(LONGEST_PAUSE);
        own.max(asked.unwrap_or_default()).min(LONGEST_PAUSE)
    }
}

/// Waits until the edge ends, and returns the time until which the last spans may be sent.
async fn ending(stop: &mut watch::Receiver<Option<Instant>>) -> Instant {
    let until = stop.wait_for(Option::is_some).await.ok().and_then(|until| *until);
    // Without a sender the edge has ended in another way.
    until.unwrap_or_else(Instant::now)
}

/// Waits for the end of that time.
async fn end(mut stop: watch::Receiver<Option<Instant>>) {
    let until = ending(&mut stop).await;
    sleep_until(until.into()).await;
}

/// Sends one export once.
async fn post(pools: &Pools, traces: &Traces, body: Bytes) -> Outcome {
    let exchange = async {
        let response = pools.send_to(&traces.target, 0, request(traces, body)).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_RESPONSE).collect().await;
        let body = body.map_err(|error| format!("the response cannot be read: {error}"))?;
        Ok(outcome(head.status, &head.headers, body.to_bytes()))
    };
    let limit = traces.spec.timeout;
    let later = |why| Outcome::Later { why, after: None };
    match timeout(limit, exchange).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(why)) => later(why),
        Err(_) => later(format!("no response within {limit:?}")),
    }
}

fn request(traces: &Traces, body: Bytes) -> Request<RequestBody> {
    let length = HeaderValue::from(body.len());
    let mut request = Request::new(RequestBody::buffered(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(traces.path.clone());
    let headers = request.headers_mut();
    headers.extend(traces.target.spec.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    headers.insert(header::HOST, traces.host.clone());
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("mtls-edge/", env!("CARGO_PKG_VERSION"))),
    );
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    headers.insert(header::CONTENT_LENGTH, length);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_whatever_the_collector_asks_for() {
        for asked in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
            let mut pauses = Pauses::default();
            let all: Vec<Duration> = (0..200).map(|_| pauses.next(asked)).collect();
            let longest = if asked == Some(Duration::MAX) { LONGEST_PAUSE } else { FIRST_PAUSE * 2 };
            assert!(all[0] >= FIRST_PAUSE / 2 && all[0] <= longest, "{asked:?}: {:?}", all[0]);
            assert!(all[199] >= LONGEST_PAUSE / 2 && all[199] <= LONGEST_PAUSE, "{asked:?}: {:?}", all[199]);
        }
        assert_eq!(Pauses::default().next(Some(Duration::from_secs(7))), Duration::from_secs(7));
    }
}
