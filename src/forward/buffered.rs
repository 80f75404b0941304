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
}

/// The memory that one body uses. Released when it is dropped.
#[derive(Debug)]
pub struct Share {
    total: Arc<BufferedBytes>,
    /// `[limits] buffered_bytes`.
    limit: u64,
    used: u64,
}

impl Share {
    /// An empty share of a total that is limited to this many bytes.
    #[must_use]
    pub fn of(total: &Arc<BufferedBytes>, limit: u64) -> Self {
        Self { total: Arc::clone(total), limit, used: 0 }
    }

    /// Grows the share to this many bytes; it stays as it is if the total would exceed the limit.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let more = bytes.saturating_sub(self.used);
        let before = self.total.0.fetch_add(more, Relaxed);
        if before.saturating_add(more) > self.limit {
            self.total.0.fetch_sub(more, Relaxed);
            return Err(NoRoom);
        }
        self.used += more;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.used, Relaxed);
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
}
