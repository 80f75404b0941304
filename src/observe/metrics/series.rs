//! Metrics with labels from the configuration: one worker's cells for each route and each upstream.
//!
//! A worker finds the cells of a route by the route's address, without a lock and without an allocation. It takes the lock only to add
//! cells, which the scrape reads.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The most label combinations of one worker. Further ones are counted with [`OTHER`], so that reloads do not add series without end.
const MOST: usize = 1000;
/// The value of every label beyond [`MOST`].
const OTHER: &str = "(other)";

/// Cells by label values, shared with the scrape.
#[derive(Debug)]
pub(super) struct Shared<T, const LABELS: usize>(Mutex<Vec<Entry<T, LABELS>>>);

/// Label values, and their cells.
type Entry<T, const LABELS: usize> = ([String; LABELS], Arc<T>);

impl<T, const LABELS: usize> Default for Shared<T, LABELS> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default, const LABELS: usize> Shared<T, LABELS> {
    fn add(&self, labels: [String; LABELS]) -> Arc<T> {
        let cells = Arc::<T>::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((labels, Arc::clone(&cells)));
        cells
    }

    /// Adds the cells of this worker to those of others.
    pub(super) fn gather(&self, all: &mut BTreeMap<[String; LABELS], Vec<Arc<T>>>) {
        for (labels, cells) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            all.entry(labels.clone()).or_default().push(Arc::clone(cells));
        }
    }
}

/// The index of cells in [`Local`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index(usize);

/// A worker's own view of its cells.
#[derive(Debug)]
pub(super) struct Local<T, const LABELS: usize> {
    cells: RefCell<Vec<Arc<T>>>,
    by_labels: RefCell<BTreeMap<[String; LABELS], Index>>,
}

impl<T, const LABELS: usize> Default for Local<T, LABELS> {
    fn default() -> Self {
        Self { cells: RefCell::default(), by_labels: RefCell::default() }
    }
}

impl<T: Default, const LABELS: usize> Local<T, LABELS> {
    /// The cells with these label values.
    pub(super) fn find(&self, labels: [String; LABELS], shared: &Shared<T, LABELS>) -> Index {
        let mut by_labels = self.by_labels.borrow_mut();
        if let Some(index) = by_labels.get(&labels) {
            return *index;
        }
        let labels = if by_labels.len() < MOST {
            labels
        } else {
            [const { String::new() }; LABELS].map(|_| OTHER.to_owned())
        };
        *by_labels.entry(labels.clone()).or_insert_with(|| {
            let mut cells = self.cells.borrow_mut();
            cells.push(shared.add(labels));
            Index(cells.len() - 1)
        })
    }

    /// Writes to cells.
    pub(super) fn with(&self, Index(at): Index, write: impl FnOnce(&T)) {
        if let Some(cells) = self.cells.borrow().get(at) {
            write(cells);
        }
    }
}

/// Values by the address of a part of the snapshot. An address is that of one part for as long as its snapshot is in use: the values
/// of another snapshot are forgotten.
#[derive(Debug)]
pub(super) struct ByAddress<V> {
    generation: Cell<u64>,
    values: RefCell<BTreeMap<usize, V>>,
}

impl<V> Default for ByAddress<V> {
    fn default() -> Self {
        Self { generation: Cell::new(0), values: RefCell::default() }
    }
}

impl<V: Copy> ByAddress<V> {
    /// The value of a part that the snapshot with this number contains.
    pub(super) fn get(&self, generation: u64, address: usize, make: impl FnOnce() -> V) -> V {
        let mut values = self.values.borrow_mut();
        if self.generation.replace(generation) != generation {
            values.clear();
        }
        *values.entry(address).or_insert_with(make)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::Counter;

    #[test]
    fn label_combinations_are_bounded() {
        let (local, shared) = (Local::<Counter, 1>::default(), Shared::default());
        let first = local.find(["0".to_owned()], &shared);
        for number in 0..MOST + 10 {
            local.with(local.find([number.to_string()], &shared), Counter::increment);
        }
        assert_eq!(local.find(["0".to_owned()], &shared), first);
        let mut all = BTreeMap::new();
        shared.gather(&mut all);
        assert_eq!(all.len(), MOST + 1);
        assert!(all.contains_key(&[OTHER.to_owned()]));
    }

    #[test]
    fn another_snapshot_has_other_parts_at_the_same_addresses() {
        let parts = ByAddress::default();
        assert_eq!(parts.get(1, 8, || 'a'), 'a');
        assert_eq!(parts.get(1, 8, || 'b'), 'a');
        assert_eq!(parts.get(2, 8, || 'b'), 'b');
        assert_eq!(parts.get(1, 8, || 'a'), 'a');
    }
}
