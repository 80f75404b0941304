//! Counts the memory of buffered request bodies over all workers, and limits it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// The memory for buffered bodies is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// The number of bytes of buffered request bodies, over all workers.
#[derive(Debug, Default)]
pub struct BufferedBytes(AtomicU64);

impl BufferedBytes {
    /// The current number of bytes.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Adds bytes; none if there would be more than `limit`.
    fn grow(&self, more: u64, limit: u64) -> Result<(), NoRoom> {
        let before = self.0.fetch_add(more, Relaxed);
        if before.saturating_add(more) > limit {
            self.0.fetch_sub(more, Relaxed);
            return Err(NoRoom);
        }
        Ok(())
    }
}

/// The memory that one body uses. Released when it is dropped.
#[derive(Debug)]
pub struct Share {
    total: Arc<BufferedBytes>,
    /// The most bytes of the total at which this share may grow.
    limit: u64,
    /// A part of the total, with its own limit.
    part: Option<(Arc<BufferedBytes>, u64)>,
    used: u64,
}

impl Share {
    /// An empty share of a total that is limited to this many bytes.
    #[must_use]
    pub fn of(total: &Arc<BufferedBytes>, limit: u64) -> Self {
        Self { total: Arc::clone(total), limit, part: None, used: 0 }
    }

    /// The same share, which also counts towards a part of the total that is limited to this many bytes.
    #[must_use]
    pub fn within(mut self, part: &Arc<BufferedBytes>, limit: u64) -> Self {
        part.0.fetch_add(self.used, Relaxed);
        self.part = Some((Arc::clone(part), limit));
        self
    }

    /// Grows the share to this many bytes; it stays as it is if the total would exceed the limit.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let more = bytes.saturating_sub(self.used);
        self.total.grow(more, self.limit)?;
        if let Some((part, limit)) = &self.part
            && let Err(no_room) = part.grow(more, *limit)
        {
            self.total.0.fetch_sub(more, Relaxed);
            return Err(no_room);
        }
        self.used += more;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.used, Relaxed);
        if let Some((part, _)) = &self.part {
            part.0.fetch_sub(self.used, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffered_bytes_are_bounded_and_released() {
        let all = Arc::new(BufferedBytes::default());
        let (mut one, mut other) = (Share::of(&all, 100), Share::of(&all, 100));
        one.grow_to(60).unwrap();
        one.grow_to(50).unwrap();
        assert_eq!(all.now(), 60);
        assert_eq!(other.grow_to(41), Err(NoRoom));
        assert_eq!(all.now(), 60);
        other.grow_to(40).unwrap();
        assert_eq!(one.grow_to(61), Err(NoRoom));
        drop(one);
        assert_eq!(all.now(), 40);
        other.grow_to(100).unwrap();
        drop(other);
        assert_eq!(all.now(), 0);
        assert_eq!(Share::of(&all, 100).grow_to(usize::MAX), Err(NoRoom));
        assert_eq!(all.now(), 0);
    }

    #[test]
    fn a_part_of_the_total_has_its_own_limit() {
        let (all, part) = (Arc::new(BufferedBytes::default()), Arc::new(BufferedBytes::default()));
        let mut within = Share::of(&all, 100).within(&part, 30);
        within.grow_to(30).unwrap();
        assert_eq!(within.grow_to(31), Err(NoRoom));
        assert_eq!(Share::of(&all, 100).within(&part, 30).grow_to(1), Err(NoRoom));
        assert_eq!((all.now(), part.now()), (30, 30));
        Share::of(&all, 100).grow_to(70).unwrap();
        drop(within);
        assert_eq!((all.now(), part.now()), (0, 0));
    }
}
