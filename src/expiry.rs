//! Warnings before a credential expires: 30, 14, 7 and 1 days before, so that its application is given a successor in time.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    clock::{Clock, Timestamp},
    site::{Generation, SiteHandle},
    trust::{Application, CredentialView, Registry, Role},
};

#[cfg(test)]
mod tests;

/// How long before the expiry of a credential a warning is logged, each once.
const THRESHOLDS: [Duration; 4] = [days(30), days(14), days(7), days(1)];
/// The most lines per check.
const LINES: usize = 100;
/// The longest time between two readings of all credentials: some expiries become known when a certificate is used.
const LONGEST: Duration = Duration::from_secs(3600);
/// Reading all credentials after changes may take this part of the time.
const SHARE: u32 = 100;

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

/// Logs each warning when it is due.
#[derive(Debug)]
pub struct Warnings {
    site: SiteHandle,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What was logged.
    logged: Logged,
    /// The site whose credentials were read last, when, and how long that took.
    read: Option<(Generation, Timestamp, Instant, Duration)>,
    /// When the next warning is due.
    next: Timestamp,
}

impl Warnings {
    /// For the credentials of the site that is active at each check.
    #[must_use]
    pub fn of(site: SiteHandle, clock: Clock) -> Self {
        let state = State { logged: Logged::default(), read: None, next: Timestamp::MIN };
        Self { site, clock, state: Mutex::new(state) }
    }

    /// Logs the warnings that are due. Cheap unless one is due or the site has changed, so that it can be called every second.
    pub fn check(&self) {
        let (site, now) = (self.site.load(), self.clock.now());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.must_read(site.generation, now) {
            return;
        }
        let begin = Instant::now();
        let (due, next) = state.logged.due(&site.trust.registry, now);
        state.next = if due.len() > LINES { now } else { next.min(now + LONGEST) };
        for warning in due.iter().take(LINES) {
            warning.log(now);
            state.logged.insert(warning);
        }
        state.logged.forget_expired(now);
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

/// A warning that is due.
#[derive(Debug)]
struct Warning<'a> {
    application: &'a Application,
    role: Role,
    credential: CredentialView<'a>,
    end: Timestamp,
    /// The number of thresholds that have passed.
    passed: usize,
    key: u64,
}

impl Warning<'_> {
    fn log(&self, now: Timestamp) {
        let Self { application, role, credential, end, .. } = self;
        let ends_by = if credential.expires_at == Some(*end) { "expires_at" } else { "certificate" };
        let table = format!("application.{}", role.key());
        tracing::warn!(
            client_id = application.client_id.as_str(),
            credential = credential.name,
            table,
            expires = %end,
            days_left = end.days_since(now),
            ends_by,
            help = self.help(&table),
            "credential expires soon"
        );
    }

    /// What the operator should do.
    fn help(&self, table: &str) -> String {
        let lasts = |other: &CredentialView<'_>| other.registered_end().is_none_or(|end| end > self.end);
        let mut others =
            self.application.registrations().filter(|(role, _)| *role == self.role).map(|(_, other)| other);
        match others.find(|other| other.name != self.credential.name && lasts(other)) {
            Some(other) => {
                format!("let the application switch to {:?}, and then remove this one", other.name)
            }
            None => format!(
                "register the successor as a second [[{table}]], let the application switch to it, and then remove this one"
            ),
        }
    }
}

/// The warnings that were logged.
#[derive(Debug, Default)]
struct Logged {
    hasher: RandomState,
    /// The end of each credential, and the number of thresholds that were reported, by a hash of the credential.
    credentials: HashMap<u64, (Timestamp, usize)>,
}

impl Logged {
    /// The warnings that are due, the soonest expiry first, and when the next one will be.
    fn due<'a>(&self, registry: &'a Registry, now: Timestamp) -> (Vec<Warning<'a>>, Timestamp) {
        let (mut due, mut next) = (Vec::new(), Timestamp::MAX);
        for application in registry.applications() {
            for (role, credential) in application.registrations() {
                let Some(end) = credential.registered_end().filter(|end| *end > now) else { continue };
                let passed = THRESHOLDS.iter().take_while(|before| end - **before <= now).count();
                if let Some(before) = THRESHOLDS.get(passed) {
                    next = next.min(end - *before);
                }
                if passed == 0 {
                    continue;
                }
                let id = (application.client_id.as_str(), role.key(), credential.name, end);
                let key = self.hasher.hash_one(id);
                if self.credentials.get(&key).is_none_or(|(_, reported)| *reported < passed) {
                    due.push(Warning { application, role, credential, end, passed, key });
                }
            }
        }
        due.sort_by_key(|warning| warning.end);
        (due, next)
    }

    fn insert(&mut self, warning: &Warning<'_>) {
        self.credentials.insert(warning.key, (warning.end, warning.passed));
    }

    fn forget_expired(&mut self, now: Timestamp) {
        self.credentials.retain(|_, (end, _)| *end > now);
    }
}
