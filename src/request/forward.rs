//! The innermost service, which sends the request upstream.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use http::{Response, StatusCode};
use tokio::time::Instant;
use tower::Service;

use super::{LocalFuture, Outbound, Refusal};
use crate::forward::{ForwardError, Pools, ResponseBody};

/// Sends requests on the worker's own upstream connections.
#[derive(Clone, Debug)]
pub struct Forward(Rc<Pools>);

impl Forward {
    pub(super) fn new(pools: Rc<Pools>) -> Self {
        Self(pools)
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
        let pools = Rc::clone(&self.0);
        record.sent_at.set(Some(Instant::now()));
        // Requests are large: this one is not moved until it is sent.
        let mut request = Some(request);
        Box::pin(async move {
            let response = pools.send(&domain.target, &mut request, caller, &record.origin).await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let upstream = domain.target.spec.name.clone();
                let reason = "unexpected 101 Switching Protocols".to_owned();
                return Err(Refusal::Forward(ForwardError::Broken { upstream, reason }));
            }
            Ok(response)
        })
    }
}
