//! What expires: certificates of the edge, client CAs, CRLs, and the credentials of applications; and the log lines before and when it does.

mod credentials;
mod ending;
mod line;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub use self::{
    credentials::{Calendar, CredentialEnd, CredentialEnds},
    ending::{Ending, Thing, endings},
};
use self::{ending::of_credentials, line::log_others};
use crate::{
    clock::{Clock, Timestamp},
    site::{Generation, SiteHandle},
};

#[cfg(test)]
mod tests;

/// The most lines per check that name what expires.
const LINES: usize = 100;
/// How long before their end credentials are looked at, in days: a day longer than before the first warning, and so longer than
/// [`LONGEST`].
const AHEAD: i64 = 31;
/// The longest time between two readings of everything: some ends become known when a certificate is used.
const LONGEST: Duration = Duration::from_secs(3600);
/// Reading everything after changes may take this part of the time.
const SHARE: u32 = 100;
/// How long what was logged is remembered after the end: the clock may be set back.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// Logs each line when it is due.
#[derive(Debug)]
pub struct Watch {
    site: SiteHandle,
    calendar: Arc<Calendar>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What was logged.
    logged: Logged,
    /// The site that was read last, when, and how long that took.
    read: Option<(Generation, Timestamp, Instant, Duration)>,
    /// When the next line is due.
    next: Timestamp,
}

impl Watch {
    /// For the site that is active at each check.
    #[must_use]
    pub fn of(site: SiteHandle, calendar: Arc<Calendar>, clock: Clock) -> Self {
        let state = State { logged: Logged::since(clock.now()), read: None, next: Timestamp::MIN };
        Self { site, calendar, clock, state: Mutex::new(state) }
    }

    /// Logs the lines that are due. Cheap unless one is due or the site has changed, so that it can be called every second.
    pub fn check(&self) {
        let (site, now) = (self.site.load(), self.clock.now());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.must_read(site.generation, now) {
            return;
        }
        if state.read.is_some_and(|(_, at, ..)| now < at) {
            // The clock was set back: what ends from now on was not reported.
            state.logged.complete_until = state.logged.complete_until.min(now);
        }
        let begin = Instant::now();
        let credentials = self.calendar.of(&site.trust.registry);
        let (soon, _) = credentials.within(AHEAD, now);
        let (due, next) = state.logged.due(endings(&site, now).chain(of_credentials(soon)), now);
        let (named, others) = due.split_at_checked(LINES).unwrap_or((&due, &[]));
        for due in named {
            due.ending.log(now);
        }
        // There may be thousands of credentials, but not of anything else: the others are named at the next checks.
        let is_complete = others.first().is_none_or(|first| first.ending.is_credential());
        if is_complete {
            log_others(others.iter().map(|due| &due.ending), now);
        }
        for due in if is_complete { &due } else { named } {
            state.logged.insert(due);
        }
        state.next = if is_complete { next.min(now + LONGEST) } else { now };
        if is_complete {
            state.logged.complete(now);
        }
        state.read = Some((site.generation, now, Instant::now(), begin.elapsed()));
    }
}

impl State {
    fn must_read(&self, generation: Generation, now: Timestamp) -> bool {
        self.read.is_none_or(|(read, at, ended, took)| {
            let is_changed = read != generation && ended.elapsed() >= took * SHARE;
            // The clock may have been set back.
            is_changed || now >= self.next || now < at
        })
    }
}

/// A line that is due.
#[derive(Debug)]
struct Due<'a> {
    ending: Ending<'a>,
    /// The number of its stages that have passed.
    passed: usize,
    key: u64,
}

/// The lines that were logged.
#[derive(Debug)]
struct Logged {
    hasher: RandomState,
    /// The end of each thing, and the number of its stages that were reported, by a hash of the thing.
    reported: HashMap<u64, (Timestamp, usize)>,
    /// Until then every end was reported: by a line, or by the messages of the load that found it expired.
    complete_until: Timestamp,
}

impl Logged {
    /// Nothing was logged. The load before this time has reported what was expired.
    fn since(loaded: Timestamp) -> Self {
        Self { hasher: RandomState::default(), reported: HashMap::new(), complete_until: loaded }
    }

    /// The lines that are due, and when the next one will be. Credentials are last, since there may be thousands; then the soonest end is
    /// first.
    fn due<'a>(
        &self,
        endings: impl Iterator<Item = Ending<'a>>,
        now: Timestamp,
    ) -> (Vec<Due<'a>>, Timestamp) {
        let (mut due, mut next) = (Vec::new(), Timestamp::MAX);
        for ending in endings.filter(|ending| ending.over_from() > self.complete_until) {
            let passed = ending.stages().take_while(|stage| *stage <= now).count();
            if let Some(stage) = ending.stages().nth(passed) {
                next = next.min(stage);
            }
            if passed == 0 {
                continue;
            }
            let key = self.hasher.hash_one(&ending);
            if self.reported.get(&key).is_none_or(|(_, reported)| *reported < passed) {
                due.push(Due { ending, passed, key });
            }
        }
        due.sort_by_key(|due| (due.ending.is_credential(), due.ending.end));
        (due, next)
    }

    fn insert(&mut self, due: &Due<'_>) {
        self.reported.insert(due.key, (due.ending.end, due.passed));
    }

    /// Everything that was due at `now` has been logged.
    fn complete(&mut self, now: Timestamp) {
        self.complete_until = now;
        self.reported.retain(|_, (end, _)| *end + REMEMBERED > now);
    }
}
