//! The orders of certificates by ACME, for metrics and `/status`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::metrics::{ACME_ORDERS, ACME_RENEWAL, Collector, Families};
use crate::clock::{Clock, Timestamp};

/// Seconds between two warnings that a certificate cannot be renewed.
const WARN_AGAIN: i64 = 86_400;

/// The domains whose certificates are ordered. Written by the thread that orders, read by the admin address.
#[derive(Debug)]
pub struct Orders {
    clock: Clock,
    domains: Mutex<BTreeMap<Box<str>, OrderState>>,
}

/// The orders of one domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderState {
    /// Certificates issued since the start.
    pub issued: u64,
    /// Orders that failed since the start.
    pub failed: u64,
    /// When the present certificate expires, and when another is ordered; none without a usable certificate.
    pub renewal: Option<Renewal>,
    /// Why there is no newer certificate, if one was ordered without success.
    pub failure: Option<FailedOrder>,
    /// The last warning.
    warned: Option<Timestamp>,
}

/// When a certificate is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The end of its validity.
    pub not_after: Timestamp,
    /// When another one is ordered.
    pub due: Timestamp,
}

/// An order that failed, after which none has succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedOrder {
    /// When the first of them failed.
    pub since: Timestamp,
    /// Why the last one failed.
    pub why: String,
    /// When the next one follows.
    pub next: Timestamp,
}

impl Orders {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, domains: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<str>, OrderState>> {
        // Every change is whole before anything can panic.
        self.domains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on only these are ordered for.
    pub fn only<'a>(&self, domains: impl Iterator<Item = &'a str>) {
        let mut all = self.lock();
        let mut before = std::mem::take(&mut *all);
        *all = domains.map(|name| (name.into(), before.remove(name).unwrap_or_default())).collect();
    }

    /// What is known of a domain's certificate, and of orders that failed, also before the start of the edge.
    pub fn seen(&self, domain: &str, renewal: Option<Renewal>, failure: Option<FailedOrder>) {
        if let Some(state) = self.lock().get_mut(domain) {
            (state.renewal, state.failure) = (renewal, failure);
        }
    }

    /// A certificate was issued.
    pub fn issued(&self, domain: &str) {
        if let Some(state) = self.lock().get_mut(domain) {
            state.issued += 1;
            (state.failure, state.warned) = (None, None);
        }
    }

    /// An order failed. Returns whether that is worth a warning: the first since a success, and one each day.
    pub fn failed(&self, domain: &str) -> bool {
        let now = self.clock.now();
        let mut all = self.lock();
        let Some(state) = all.get_mut(domain) else { return false };
        state.failed += 1;
        // Also if the clock was set back.
        let is_due = state.warned.is_none_or(|warned| !(0..WARN_AGAIN).contains(&now.seconds_since(warned)));
        if is_due {
            state.warned = Some(now);
        }
        is_due
    }

    /// The state of each domain, by name.
    #[must_use]
    pub fn states(&self) -> Vec<(Box<str>, OrderState)> {
        self.lock().clone().into_iter().collect()
    }

    /// The state of a domain; none if its certificate is not ordered by ACME.
    #[must_use]
    pub fn state(&self, domain: &str) -> Option<OrderState> {
        self.lock().get(domain).cloned()
    }
}

impl Collector for Orders {
    fn collect(&self, families: &mut Families) {
        let now = self.clock.now();
        for (name, state) in &*self.lock() {
            families.set(&ACME_ORDERS, [name, "issued"], state.issued);
            families.set(&ACME_ORDERS, [name, "failed"], state.failed);
            if let Some(renewal) = state.renewal {
                families.set(&ACME_RENEWAL, [name], renewal.due.seconds_since(now));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    #[test]
    fn failures_are_a_warning_once_and_then_daily() {
        let clock = FixedClock::new(Timestamp::from_unix(0));
        let orders = Orders::new(Clock::Fixed(clock.clone()));
        orders.only(std::iter::once("a.example"));
        let failed_at = |seconds| {
            clock.set(Timestamp::from_unix(seconds));
            orders.failed("a.example")
        };
        assert_eq!([0, 60, 86_399, 86_400, 86_401].map(failed_at), [true, false, false, true, false]);
        orders.issued("a.example");
        assert!(failed_at(86_402));
        assert!(failed_at(-1), "the clock was set back");
        assert_eq!(orders.state("a.example").unwrap().failed, 7);
        assert!(!orders.failed("b.example") && orders.state("b.example").is_none());
    }
}
