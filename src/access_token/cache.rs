//! The verified tokens of one worker.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{Facts, InvalidToken, TokenHash};
use crate::clock::Timestamp;

/// The most tokens of each generation, valid and invalid ones apart.
const GENERATION: usize = 4096;

/// Remembers what tokens are, by their hash and issuer. Valid and invalid ones are apart, so that invented tokens do not displace real ones.
#[derive(Debug)]
pub struct TokenCache<I> {
    valid: Generations<I, Facts>,
    invalid: Generations<I, InvalidToken>,
}

/// The entries that were used of late, and those from before.
#[derive(Debug)]
struct Generations<I, T> {
    recent: HashMap<TokenHash, Entry<I, T>>,
    before: HashMap<TokenHash, Entry<I, T>>,
}

#[derive(Debug)]
struct Entry<I, T> {
    /// A changed issuer, such as one with other keys, is another one.
    issuer: Arc<I>,
    known: T,
    /// A clock that was set back does not prolong the entry.
    since: Timestamp,
    until: Timestamp,
}

impl<I> Default for TokenCache<I> {
    fn default() -> Self {
        Self { valid: Generations::default(), invalid: Generations::default() }
    }
}

impl<I, T> Default for Generations<I, T> {
    fn default() -> Self {
        Self { recent: HashMap::new(), before: HashMap::new() }
    }
}

impl<I, T: Clone> Generations<I, T> {
    fn get(&mut self, token: TokenHash, issuer: &Arc<I>, now: Timestamp) -> Option<T> {
        if !self.recent.contains_key(&token)
            && let Some(entry) = self.before.remove(&token)
        {
            self.insert(token, entry);
        }
        let entry = self.recent.get(&token)?;
        let is_current = Arc::ptr_eq(&entry.issuer, issuer) && entry.since <= now && now < entry.until;
        is_current.then(|| entry.known.clone())
    }

    fn insert(&mut self, token: TokenHash, entry: Entry<I, T>) {
        if self.recent.len() >= GENERATION && !self.recent.contains_key(&token) {
            self.before = std::mem::take(&mut self.recent);
        }
        self.recent.insert(token, entry);
    }
}

impl<I> TokenCache<I> {
    /// What is known about a token of this issuer.
    pub fn get(
        &mut self,
        token: TokenHash,
        issuer: &Arc<I>,
        now: Timestamp,
    ) -> Option<Result<Facts, InvalidToken>> {
        if let Some(facts) = self.valid.get(token, issuer, now) {
            return Some(Ok(facts));
        }
        self.invalid.get(token, issuer, now).map(Err)
    }

    /// Remembers a valid token, for this time at most and never past its `exp`.
    pub fn remember(
        &mut self,
        token: TokenHash,
        issuer: &Arc<I>,
        facts: &Facts,
        now: Timestamp,
        at_most: Duration,
    ) {
        let until = facts.expires.map_or(now + at_most, |expires| expires.min(now + at_most));
        let entry = Entry { issuer: Arc::clone(issuer), known: facts.clone(), since: now, until };
        self.valid.insert(token, entry);
    }

    /// Remembers an invalid token, for this time.
    pub fn remember_invalid(
        &mut self,
        token: TokenHash,
        issuer: &Arc<I>,
        why: &InvalidToken,
        now: Timestamp,
        at_most: Duration,
    ) {
        let entry =
            Entry { issuer: Arc::clone(issuer), known: why.clone(), since: now, until: now + at_most };
        self.invalid.insert(token, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_token::Confirmation;

    const SHORT: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1000 + seconds)
    }

    fn facts(expires: Option<i64>) -> Facts {
        Facts { expires: expires.map(at), client_id: None, confirmation: Confirmation::default() }
    }

    #[test]
    fn a_token_is_remembered_briefly_and_never_past_its_expiry() {
        let (mut cache, issuer) = (TokenCache::default(), Arc::new(()));
        let (long, short, endless) =
            (TokenHash::of("long"), TokenHash::of("short"), TokenHash::of("endless"));
        cache.remember(long, &issuer, &facts(Some(600)), at(0), SHORT);
        cache.remember(short, &issuer, &facts(Some(10)), at(0), SHORT);
        cache.remember(endless, &issuer, &facts(None), at(0), SHORT);
        let mut known = |token, now| cache.get(token, &issuer, at(now)).is_some();
        for (token, last) in [(long, 29), (short, 9), (endless, 29)] {
            assert!(known(token, 0) && known(token, last));
            assert!(!known(token, last + 1), "past the end");
            assert!(!known(token, -1), "the clock was set back");
        }
        assert!(!known(TokenHash::of("other"), 0));
    }

    #[test]
    fn another_issuer_or_other_keys_know_nothing_of_it() {
        let (mut cache, issuer) = (TokenCache::default(), Arc::new(()));
        let token = TokenHash::of("a");
        cache.remember(token, &issuer, &facts(None), at(0), SHORT);
        cache.remember_invalid(TokenHash::of("b"), &issuer, &InvalidToken::Inactive, at(0), SHORT);
        assert_eq!(cache.get(TokenHash::of("b"), &issuer, at(1)), Some(Err(InvalidToken::Inactive)));
        assert_eq!(cache.get(token, &Arc::new(()), at(1)), None);
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let (mut cache, issuer) = (TokenCache::default(), Arc::new(()));
        let used = TokenHash::of("used");
        cache.remember(used, &issuer, &facts(None), at(0), SHORT);
        for number in 0..5 * GENERATION {
            cache.remember(TokenHash::of(&number.to_string()), &issuer, &facts(None), at(0), SHORT);
            let invented = TokenHash::of(&format!("x{number}"));
            cache.remember_invalid(invented, &issuer, &InvalidToken::Inactive, at(0), SHORT);
            if number % GENERATION == GENERATION / 2 {
                assert!(cache.get(used, &issuer, at(1)).is_some(), "{number}");
            }
        }
        assert!(cache.valid.recent.len() + cache.valid.before.len() <= 2 * GENERATION);
        assert!(cache.invalid.recent.len() + cache.invalid.before.len() <= 2 * GENERATION);
    }
}
