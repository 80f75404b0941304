//! The innermost service, which sends the request upstream.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use http::{Response, StatusCode};
use tokio::time::Instant;
use tower::Service;

use super::{LocalFuture, Outbound, Refusal, WorkerParts, trace_context::RequestTrace};
use crate::forward::{ForwardError, ResponseBody};

/// Sends requests on the worker's own upstream connections.
#[derive(Clone, Debug)]
pub struct Forward(Rc<WorkerParts>);

impl Forward {
    pub(super) const fn new(parts: Rc<WorkerParts>) -> Self {
        Self(parts)
    }
}

impl Service<Outbound> for Forward {
    type Response = Response<ResponseBody>;
    type Error = Refusal;
    type Future = LocalFuture<Response<ResponseBody>, Refusal>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Outbound { request, domain, caller, record }: Outbound) -> Self::Future {
        let parts = Rc::clone(&self.0);
        record.sent_at.set(Some(Instant::now()));
        // Requests are large: this one is not moved until it is sent.
        let mut request = Some(request);
        Box::pin(async move {
            let field = record.trace.as_ref().and_then(RequestTrace::field);
            let response =
                parts.pools.send(&domain.target, &mut request, caller, &record.tried, field).await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let upstream = domain.target.spec.name.clone();
                let reason = "unexpected 101 Switching Protocols".to_owned();
                if let Some(origin) = record.tried.last() {
                    domain.target.record_broken_off(origin, response.status(), &reason);
                }
                return Err(Refusal::Forward(ForwardError::Broken { upstream, reason }));
            }
            Ok(response)
        })
    }
}
