//! Gives memory back after a burst of connections.

use std::hint::black_box;

use super::open::OpenConnections;

/// How many connections must have ended: the memory of fewer is soon used again.
const MANY: usize = 256;
/// The number of allocations after which mimalloc returns a thread's free pages to the system (`mi_option_generic_collect`). Those of small
/// blocks do not count.
const ALLOCATIONS: usize = 10_000;
/// The size of a block that is not small, in bytes.
const BLOCK: usize = 2048;

/// How often memory is given back after a burst, once per observation: mimalloc returns pages a second after they were freed.
const TIMES: u8 = 4;

/// The most connections of a worker since the last burst.
#[derive(Debug, Default)]
pub(super) struct Burst {
    most: usize,
    times: u8,
}

impl Burst {
    /// Gives memory back if a burst is over. To be called once a second: an idle worker allocates nothing, so the allocator would keep
    /// the memory.
    pub(super) fn observe(&mut self, open: &OpenConnections) {
        if self.is_over(open.take_most(), open.count()) {
            open.shrink();
            for _ in 0..ALLOCATIONS {
                black_box(Vec::<u8>::with_capacity(BLOCK));
            }
        }
    }

    /// Whether far fewer connections are open than before, or were a moment ago. `most` were open since the last call.
    fn is_over(&mut self, most: usize, open: usize) -> bool {
        self.most = self.most.max(most);
        if self.most > open + MANY {
            (self.most, self.times) = (open, TIMES);
        } else {
            self.times = self.times.saturating_sub(1);
        }
        self.times > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_over_when_many_connections_have_ended() {
        let mut burst = Burst::default();
        let over = [0, 100, 2_000, 1_900, 0, 10, 10, 10, 10, 10].map(|open| burst.is_over(open, open));
        assert_eq!(over, [false, false, false, false, true, true, true, true, false, false]);
        // It may begin and end between two calls.
        assert!(burst.is_over(1_000, 10));
    }
}
