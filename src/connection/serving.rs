//! One request over hyper: its turn, its answer, and the response whose body records the progress.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::FutureExt;
use http::{HeaderValue, Response, header};

use super::{life::Request, phase::NotServing, tracked::Tracked, turns::Turn};
use crate::request::{Answer, Answering};

/// The future of one request: named and small, since hyper moves it.
pub(super) struct Serving {
    /// Until the response is there; an error if no request may begin.
    begun: Result<(Request, Answering), NotServing>,
    /// For which a request of a stranger waits (HTTP/2).
    turn: Option<Turn>,
}

impl Serving {
    pub(super) const fn new(begun: Result<(Request, Answering), NotServing>, turn: Option<Turn>) -> Self {
        Self { begun, turn }
    }
}

impl Future for Serving {
    type Output = Result<Response<Tracked>, NotServing>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(turn) = &mut this.turn {
            ready!(turn.poll(cx));
            this.turn = None;
        }
        let answer = match &mut this.begun {
            Ok((request, answer)) => {
                if request.is_overdue(cx) {
                    answer.expire();
                }
                ready!(answer.poll_unpin(cx))
            }
            Err(error) => return Poll::Ready(Err(*error)),
        };
        let Ok(Answer { mut response, entry, is_body_unread, closes }) = answer;
        // A future is not polled again after its end.
        let (mut in_flight, _) = std::mem::replace(&mut this.begun, Err(NotServing))?;
        in_flight.answered(is_body_unread, closes);
        if in_flight.is_last_of_http1() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|body| Tracked::new(body, in_flight, entry))))
    }
}
