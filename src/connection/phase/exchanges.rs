//! The requests in flight of one connection, by their numbers.

use std::time::Duration;

use tokio::time::Instant;

use super::{InFlight, LINGER, Phase, State, Work};

/// The requests in flight. A number is used again once its request has ended.
#[derive(Debug, Default)]
pub(super) struct Exchanges(Vec<Option<Exchange>>);

/// A request and its response.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    /// When the first byte of its head arrived.
    began: Instant,
    /// Its last progress.
    progress: Instant,
    /// When it is overdue; `None` once it is, or if it may take any time.
    until: Option<Instant>,
    is_overdue: bool,
    has_response: bool,
}

/// A request that is overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connection) struct OverdueRequest {
    pub(in crate::connection) number: usize,
    /// Whether its response has begun, so that it can only be broken off.
    pub(in crate::connection) has_response: bool,
}

impl Exchanges {
    /// Adds a request, and returns its number.
    pub(super) fn begin(&mut self, began: Instant, now: Instant, until: Option<Instant>) -> usize {
        let new = Exchange { began, progress: now, until, is_overdue: false, has_response: false };
        let number = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        match self.0.get_mut(number) {
            Some(free) => *free = Some(new),
            None => self.0.push(Some(new)),
        }
        number
    }

    /// Notes progress.
    pub(super) fn progress(&mut self, number: usize, now: Instant) {
        if let Some(exchange) = self.get_mut(number) {
            exchange.progress = now;
        }
    }

    /// Notes that the response begins. That of an overdue request must be taken soon. Returns when the request is overdue.
    pub(super) fn answered(&mut self, number: usize, now: Instant) -> Option<Instant> {
        let exchange = self.get_mut(number)?;
        exchange.has_response = true;
        if std::mem::take(&mut exchange.is_overdue) {
            exchange.until = Some(now + LINGER);
        }
        exchange.until
    }

    /// Gives a request another time than that of the connection. Returns when it is overdue.
    pub(super) fn limit(&mut self, number: usize, time: Duration) -> Option<Instant> {
        let exchange = self.get_mut(number)?;
        exchange.until = end(exchange.began, time);
        exchange.until
    }

    /// Removes a request.
    pub(super) fn end(&mut self, number: usize) {
        if let Some(exchange) = self.0.get_mut(number) {
            *exchange = None;
        }
    }

    /// The oldest last progress.
    pub(super) fn oldest_progress(&self) -> Option<Instant> {
        self.0.iter().flatten().map(|exchange| exchange.progress).min()
    }

    /// When the next request is overdue.
    pub(super) fn soonest(&self) -> Option<Instant> {
        self.0.iter().flatten().filter_map(|exchange| exchange.until).min()
    }

    /// Marks the requests that are overdue now, and returns them.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<OverdueRequest> {
        let mut overdue = Vec::new();
        for (number, exchange) in self.0.iter_mut().enumerate() {
            if let Some(exchange) = exchange
                && exchange.until.take_if(|until| *until <= now).is_some()
            {
                exchange.is_overdue = true;
                overdue.push(OverdueRequest { number, has_response: exchange.has_response });
            }
        }
        overdue
    }

    /// Whether a request is overdue.
    pub(super) fn is_overdue(&self, number: usize) -> bool {
        self.0.get(number).and_then(Option::as_ref).is_some_and(|exchange| exchange.is_overdue)
    }

    /// Whether a response has begun.
    pub(super) fn have_response(&self) -> bool {
        self.0.iter().flatten().any(|exchange| exchange.has_response)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn get_mut(&mut self, number: usize) -> Option<&mut Exchange> {
        self.0.get_mut(number).and_then(Option::as_mut)
    }
}

/// When a request that began at this time is overdue; `None` if it may take any time.
pub(super) fn end(began: Instant, time: Duration) -> Option<Instant> {
    (!time.is_zero()).then(|| began + time)
}

/// The earlier of two ends.
pub(super) fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

impl State {
    /// Gives this request another time than the connection's, zero for any time.
    pub(in crate::connection) fn limit(&mut self, number: usize, time: Duration) {
        let until = self.exchanges.limit(number, time);
        self.overdue_at(until);
    }

    /// Marks the requests that are overdue, and returns them.
    pub(in crate::connection) fn expire(&mut self, now: Instant) -> Vec<OverdueRequest> {
        let (overdue, soonest) = (self.exchanges.expire(now), self.exchanges.soonest());
        if let Some(in_flight) = self.in_flight_mut() {
            in_flight.until = soonest;
        }
        overdue
    }

    /// Whether this request is overdue.
    pub(in crate::connection) fn is_overdue(&self, number: usize) -> bool {
        self.exchanges.is_overdue(number)
    }

    /// Notes that a request in flight is overdue at this time.
    pub(super) fn overdue_at(&mut self, until: Option<Instant>) {
        if let Some(in_flight) = self.in_flight_mut() {
            in_flight.until = sooner(in_flight.until, until);
        }
    }

    pub(super) const fn in_flight_mut(&mut self) -> Option<&mut InFlight> {
        match &mut self.phase {
            Phase::Busy(in_flight) | Phase::Closing { work: Work::Busy(in_flight), .. } => Some(in_flight),
            _ => None,
        }
    }
}
