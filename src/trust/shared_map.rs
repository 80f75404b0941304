//! A persistent hash map: copies share all shards that neither of them has changed.

use std::{
    borrow::Borrow,
    collections::{HashMap, hash_map::RandomState},
    fmt,
    hash::{BuildHasher, Hash},
    sync::Arc,
};

/// Shards per map. A change copies the list of shards (8 KB) and one shard (about 100 entries of 100,000).
const SHARDS: usize = 1024;

type Shard<K, V> = Arc<HashMap<K, V>>;

/// A hash map that is cheap to clone and, once cloned, cheap to change: a clone shares every shard that neither side has
/// changed since. A lookup costs one hash more than that of a `HashMap`.
pub(super) struct SharedMap<K, V> {
    /// Selects the shard. The shards hash with other keys, or each would fill only some of its buckets.
    hasher: RandomState,
    shards: Arc<Vec<Shard<K, V>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        let empty = Arc::new(HashMap::new());
        Self { hasher: RandomState::new(), shards: Arc::new(vec![empty; SHARDS]), len: 0 }
    }
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self { hasher: self.hasher.clone(), shards: Arc::clone(&self.shards), len: self.len }
    }
}

impl<K, V> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMap").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<K: Eq + Hash, V> SharedMap<K, V> {
    fn index<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default()
    }

    /// Returns the value of a key.
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shards.get(self.index(key))?.get(key)
    }

    /// The number of entries.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Whether the map is empty.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values of each key before and after, wherever the two may differ: what both maps share is skipped.
    pub(super) fn differences<'a>(
        &'a self,
        after: &'a Self,
    ) -> impl Iterator<Item = (Option<&'a V>, Option<&'a V>)> {
        let parts = self.shards.iter().zip(&*after.shards);
        parts.filter(|(old, new)| !Arc::ptr_eq(old, new)).flat_map(|(old, new)| {
            let gone = old.iter().filter(|(key, _)| after.get(*key).is_none());
            let gone = gone.map(|(_, value)| (Some(value), None));
            gone.chain(new.iter().map(|(key, value)| (self.get(key), Some(value))))
        })
    }

    /// All values, in arbitrary order.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.values())
    }
}

impl<K: Clone + Eq + Hash, V: Clone> SharedMap<K, V> {
    /// The shard of a key, copied first if another map shares it.
    fn shard_mut<Q: Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut HashMap<K, V>> {
        let index = self.index(key);
        Arc::make_mut(&mut self.shards).get_mut(index).map(Arc::make_mut)
    }

    /// Sets the value of a key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let is_new = self.shard_mut(&key).is_some_and(|shard| shard.insert(key, value).is_none());
        self.len += usize::from(is_new);
    }

    /// Removes a key.
    pub(super) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let was_there = self.shard_mut(key).is_some_and(|shard| shard.remove(key).is_some());
        self.len -= usize::from(was_there);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_shares_all_but_the_changed_shard() {
        let mut map = SharedMap::default();
        for number in 0..10_000_u32 {
            map.insert(number, number);
        }
        let before = map.clone();
        map.insert(7, 8);
        map.remove(&9);
        assert_eq!((before.get(&7), before.get(&9), before.len()), (Some(&7), Some(&9), 10_000));
        assert_eq!((map.get(&7), map.get(&9), map.len()), (Some(&8), None, 9_999));
        let shards = before.shards.iter().zip(&*map.shards);
        let changed = shards.filter(|(before, after)| !Arc::ptr_eq(before, after)).count();
        assert!((1..=2).contains(&changed), "{changed}");
    }

    #[test]
    fn differences_skip_what_is_shared() {
        let before: SharedMap<u32, u32> = (0..10_000).fold(SharedMap::default(), |mut map, number| {
            map.insert(number, number);
            map
        });
        let mut after = before.clone();
        assert_eq!(before.differences(&after).count(), 0);
        after.insert(7, 8);
        after.remove(&9);
        after.insert(10_000, 1);
        let differences = || before.differences(&after);
        assert!(differences().count() < 200, "all entries were compared");
        let mut found: Vec<_> = differences().filter(|(before, after)| before != after).collect();
        found.sort_unstable();
        assert_eq!(found, [(None, Some(&1)), (Some(&7), Some(&8)), (Some(&9), None)]);
        // Maps that share nothing are compared entry by entry.
        let mut other = SharedMap::default();
        other.insert(7, 7);
        assert_eq!(before.differences(&other).filter(|(before, after)| before != after).count(), 9_999);
    }

    #[test]
    fn each_key_is_counted_once() {
        let mut map = SharedMap::default();
        map.insert("a".to_owned(), 1);
        map.insert("a".to_owned(), 2);
        map.remove("b");
        assert_eq!((map.len(), map.is_empty(), map.values().collect::<Vec<_>>()), (1, false, vec![&2]));
        map.remove("a");
        assert!(map.is_empty());
    }
}
