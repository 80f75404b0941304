//! The answer to a request, as its connection sees it.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::Response;

use super::{LocalFuture, access_entry::AccessEntry, inbound::Record};
use crate::forward::ResponseBody;

/// A response, and its consequences for the connection.
pub struct Answer {
    /// The response.
    pub response: Response<ResponseBody>,
    /// The request's entry in the access log: to be kept until the response has ended.
    pub entry: AccessEntry,
    /// Whether more of the request body may arrive, since the request was refused or answered early.
    pub is_body_unread: bool,
    /// Whether to close the connection once its requests in flight are answered.
    pub closes: bool,
}

/// The future of an answer.
pub struct Answering {
    answer: LocalFuture<Answer, Infallible>,
    record: Rc<Record>,
}

impl Answering {
    pub(super) fn new(answer: LocalFuture<Answer, Infallible>, record: Rc<Record>) -> Self {
        Self { answer, record }
    }

    /// The longest time of a request on this route, if it is not that of `[limits]`; zero for any time.
    #[must_use]
    pub fn request_timeout(&self) -> Option<Duration> {
        self.record.routed.borrow().as_ref().and_then(|(_, route)| route.request_timeout)
    }

    /// Refuses the request when it is next polled, unless its answer is there by then: it is overdue.
    pub fn expire(&self) {
        self.record.is_overdue.set(true);
    }
}

impl Future for Answering {
    type Output = Result<Answer, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(cx)
    }
}

/// The output of a future; `None` once the request is overdue. The future is dropped then, and with it everything that the request uses.
pub(super) async fn unless_overdue<T>(record: &Record, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        if record.is_overdue.get() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}
