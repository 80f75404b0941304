//! The applications whose requests are refused, for the status.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use super::metrics::RefusalCode;
use crate::clock::Timestamp;

/// The most applications that are remembered; of more, those that were refused last, at least half as many.
const MOST: usize = 1000;

/// The refusals of each application since it was last served. Only refused requests take its lock, and each holds it equally briefly, however
/// many applications are refused.
#[derive(Debug, Default)]
pub struct RefusedApplications(Mutex<Generations>);

/// Those that were refused last, and those before them, which are forgotten together.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Box<str>, Refusals>,
    old: HashMap<Box<str>, Refusals>,
}

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
        let refusals = all.get_mut(client_id, || Refusals { since: now, last: now, count: 0, code });
        if !refusals.are_newer_than(last_used) {
            *refusals = Refusals { since: now, last: now, count: 0, code };
        }
        refusals.last = now;
        refusals.count = refusals.count.saturating_add(1);
        refusals.code = code;
    }

    /// Each application with its refusals, in any order.
    #[must_use]
    pub fn all(&self) -> Vec<(Box<str>, Refusals)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let both = all.young.iter().chain(&all.old);
        both.map(|(client_id, refusals)| (client_id.clone(), refusals.clone())).collect()
    }
}

impl Generations {
    /// The refusals of an application, which are young from now on.
    fn get_mut(&mut self, client_id: &str, new: impl FnOnce() -> Refusals) -> &mut Refusals {
        let former = self.old.remove(client_id);
        if !self.young.contains_key(client_id) && self.young.len() >= MOST / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.entry(client_id.into()).or_insert_with(|| former.unwrap_or_else(new))
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
        for number in 0..MOST {
            let now = at(i64::try_from(number).unwrap());
            refused.note(&number.to_string(), None, RefusalCode::Profile, now);
        }
        assert_eq!(refused.all().len(), MOST);
        // One that is refused again goes on; others make room.
        refused.note("0", None, RefusalCode::Profile, at(5000));
        let all = refused.all();
        assert_eq!(all.len(), MOST / 2 + 1);
        let count =
            |id: &str| all.iter().find(|(other, _)| &**other == id).map(|(_, refusals)| refusals.count);
        assert_eq!((count("0"), count("1"), count("999")), (Some(2), None, Some(1)));
    }
}
