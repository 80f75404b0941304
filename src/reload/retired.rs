//! Former sites, kept until nobody uses them any more, and dropped here: the registry of 100,000 applications takes tens of
//! milliseconds to drop, which a worker's requests would wait for.

use std::{sync::Arc, time::Duration};

/// How often it is looked whether they are still used.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// What was replaced.
#[derive(Debug)]
pub(super) struct Retired<T>(Vec<Arc<T>>);

impl<T> Retired<T> {
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Keeps one that nobody can get any more.
    pub(super) fn keep(&mut self, former: Arc<T>) {
        self.0.push(former);
    }

    /// Drops those that nobody else has.
    pub(super) fn sweep(&mut self) {
        // Nobody can get one anew, so a count of one stays one.
        self.0.retain(|former| Arc::strong_count(former) > 1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;

    #[test]
    fn what_is_still_used_is_kept_and_dropped_by_the_sweep() {
        let mut retired = Retired::none();
        let (site, used) = (Arc::new(()), Arc::new(()));
        let dropped = [Arc::downgrade(&site), Arc::downgrade(&used)];
        retired.keep(site);
        retired.keep(Arc::clone(&used));
        retired.sweep();
        assert_eq!(dropped.each_ref().map(Weak::strong_count), [0, 2]);
        drop(used);
        assert_eq!(dropped[1].strong_count(), 1, "the last user does not drop it");
        retired.sweep();
        assert!(retired.is_empty());
        assert_eq!(dropped[1].strong_count(), 0);
    }
}
