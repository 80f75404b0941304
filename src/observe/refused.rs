//! The applications whose requests are refused, for the status.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::metrics::RefusalCode;
use crate::clock::Timestamp;

/// The most applications that are remembered; of more, those that were refused last.
const MOST: usize = 1000;

/// The refusals of each application since it was last served. Only refused requests take its lock.
#[derive(Debug, Default)]
pub struct RefusedApplications(Mutex<HashMap<Box<str>, Refusals>>);

/// The refused requests that name an application, since it was last served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// The first.
    pub since: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
    /// Why the last one was refused.
    pub code: RefusalCode,
}

impl RefusedApplications {
    /// Notes a refused request that names this application, whose credentials were last used at `last_used`.
    pub fn note(&self, client_id: &str, last_used: Option<Timestamp>, code: RefusalCode, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refusals) = all.get_mut(client_id) {
            if !refusals.are_newer_than(last_used) {
                *refusals = Refusals { since: now, last: now, count: 0, code };
            }
            refusals.last = now;
            refusals.count = refusals.count.saturating_add(1);
            refusals.code = code;
            return;
        }
        if all.len() >= MOST
            && let Some(oldest) =
                all.iter().min_by_key(|(_, refusals)| refusals.last).map(|(id, _)| id.clone())
        {
            all.remove(&oldest);
        }
        all.insert(client_id.into(), Refusals { since: now, last: now, count: 1, code });
    }

    /// Each application with its refusals, in any order.
    #[must_use]
    pub fn all(&self) -> Vec<(Box<str>, Refusals)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(client_id, refusals)| (client_id.clone(), refusals.clone())).collect()
    }
}

impl Refusals {
    /// Whether the application was refused after it was last served. Within one second, it counts as refused.
    #[must_use]
    pub fn are_newer_than(&self, last_used: Option<Timestamp>) -> bool {
        last_used.is_none_or(|used| used <= self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[test]
    fn refusals_are_counted_since_the_application_was_served() {
        let refused = RefusedApplications::default();
        let (expired, unknown) = (RefusalCode::Profile, RefusalCode::NoCertificate);
        refused.note("app", Some(at(90)), expired, at(100));
        refused.note("app", Some(at(90)), unknown, at(110));
        let counted = |since, last, count, code| Refusals { since: at(since), last: at(last), count, code };
        assert_eq!(refused.all(), [("app".into(), counted(100, 110, 2, unknown))]);
        refused.note("app", Some(at(111)), expired, at(120));
        assert_eq!(refused.all(), [("app".into(), counted(120, 120, 1, expired))]);
        let [(_, refusals)] = refused.all().try_into().unwrap();
        assert!(refusals.are_newer_than(Some(at(120))) && refusals.are_newer_than(None));
        assert!(!refusals.are_newer_than(Some(at(121))));
    }

    #[test]
    fn those_refused_last_are_remembered() {
        let refused = RefusedApplications::default();
        for number in 0..=MOST {
            let now = at(i64::try_from(number).unwrap());
            refused.note(&number.to_string(), None, RefusalCode::Profile, now);
        }
        let all = refused.all();
        assert_eq!(all.len(), MOST);
        assert!(!all.iter().any(|(client_id, _)| &**client_id == "0"));
    }
}
