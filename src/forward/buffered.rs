//! The memory that buffered bodies take, counted over all workers and bounded.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// All memory for bodies is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// Bytes of requests' bodies that are buffered now, all workers together.
#[derive(Debug, Default)]
pub struct BufferedBytes(AtomicU64);

impl BufferedBytes {
    /// How many there are.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A body's share. What it has taken is given back when it is dropped, whatever becomes of the request.
#[derive(Debug)]
pub struct Share {
    of: Arc<BufferedBytes>,
    /// `[limits] buffered_bytes`.
    bound: u64,
    taken: u64,
}

impl Share {
    /// An empty share of all the bytes that may be buffered at once.
    #[must_use]
    pub fn of(all: &Arc<BufferedBytes>, bound: u64) -> Self {
        Self { of: Arc::clone(all), bound, taken: 0 }
    }

    /// Takes as much as is missing to so many bytes, or nothing where that is beyond the bound.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let more = bytes.saturating_sub(self.taken);
        let before = self.of.0.fetch_add(more, Relaxed);
        if before.saturating_add(more) > self.bound {
            self.of.0.fetch_sub(more, Relaxed);
            return Err(NoRoom);
        }
        self.taken += more;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.taken, Relaxed);
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
