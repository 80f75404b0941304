//! One part of the store: a table of used values, which its owner locks.

use std::{collections::HashMap, time::Duration};

use super::usage::{Id, Usage};
use crate::clock::Timestamp;

/// The longest time between two sweeps of a shard that is in use.
const SWEEP: Duration = Duration::from_secs(60);

/// What a shard knows of a value.
pub(super) enum Found {
    /// It was used, or may have been.
    Used,
    /// It was used in an assertion that has expired since.
    Expired,
    /// It was not used.
    Nothing,
}

/// The used values of one shard.
#[derive(Debug)]
pub(super) struct Shard {
    /// When each value may be forgotten.
    entries: HashMap<Id, Timestamp>,
    /// The latest expiry of a removed value. If the clock is set back before it, an assertion that expires by then may be a
    /// replay.
    forgotten: Timestamp,
    /// When the next sweep is due.
    due: Timestamp,
    /// Whether another process decides about its values.
    pub(super) is_moved: bool,
}

impl Default for Shard {
    fn default() -> Self {
        Self { entries: HashMap::new(), forgotten: Timestamp::MIN, due: Timestamp::MIN, is_moved: false }
    }
}

impl Shard {
    /// Looks a value up for an assertion that expires at `until`.
    pub(super) fn find(&self, id: Id, until: Timestamp, now: Timestamp) -> Found {
        match self.entries.get(&id) {
            Some(used_until) if *used_until > now => Found::Used,
            _ if until <= now || until <= self.forgotten => Found::Used,
            Some(_) => Found::Expired,
            None => Found::Nothing,
        }
    }

    /// Its values, each with the time when it may be forgotten.
    pub(super) fn values(&self) -> impl Iterator<Item = (Id, Timestamp)> {
        self.entries.iter().map(|(id, until)| (*id, *until))
    }

    /// The latest expiry of a removed value.
    pub(super) const fn forgotten(&self) -> Timestamp {
        self.forgotten
    }

    /// Notes that values were removed elsewhere which expired by then.
    pub(super) fn forget_until(&mut self, expiry: Timestamp) {
        self.forgotten = self.forgotten.max(expiry);
    }

    /// Adds a value, whose place is reserved.
    pub(super) fn insert(&mut self, id: Id, until: Timestamp, now: Timestamp, usage: &Usage) {
        let is_full = self.entries.len() == self.entries.capacity();
        if is_full || now >= self.due {
            self.sweep(now, usage);
            self.due = now + SWEEP;
        }
        // The table grows unless the sweep has freed enough, so that the next sweep is many values away.
        let (len, capacity) = (self.entries.len(), self.entries.capacity());
        if is_full && len > capacity / 4 * 3 {
            self.entries.reserve(capacity - len + 1);
        }
        self.entries.insert(id, until);
    }

    /// Removes a value that has expired.
    pub(super) fn remove(&mut self, id: Id, usage: &Usage) {
        if let Some(until) = self.entries.remove(&id) {
            self.forgotten = self.forgotten.max(until);
            usage.release(id.client);
        }
    }

    /// Removes all values that have expired, and frees memory that is no longer needed.
    pub(super) fn sweep(&mut self, now: Timestamp, usage: &Usage) {
        let Self { entries, forgotten, .. } = self;
        entries.retain(|id, until| {
            let is_expired = *until <= now;
            if is_expired {
                *forgotten = (*forgotten).max(*until);
                usage.release(id.client);
            }
            !is_expired
        });
        if entries.len() * 4 < entries.capacity() {
            entries.shrink_to(entries.len() * 2);
        }
    }

    /// The values that fit without growing.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }
}
