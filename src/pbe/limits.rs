//! What a file with a password may cost at most.

/// The most iterations of the key derivations of one file in all: some seconds of a core. Programs write files with 2,000 to 600,000.
pub(super) const MAX_ITERATIONS: u64 = 10_000_000;

/// The size of the largest keystore that is read: 100 times that of one with a chain.
pub(super) const MAX_SIZE: usize = 1 << 20;
