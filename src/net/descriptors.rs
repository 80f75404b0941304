//! The limit of open files (RLIMIT_NOFILE): every connection takes a descriptor.

use rustix::{
    io::fcntl_dupfd_cloexec,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// How many descriptors the process could have at most: the hard limit.
#[must_use]
pub fn limit() -> usize {
    in_numbers(getrlimit(Resource::Nofile).maximum)
}

/// Raises the soft limit to the hard one, and gives what is in force then.
///
/// The soft limit is 1,024 in most shells and containers, for the sake of programs that call `select`. None is here.
pub fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return in_numbers(maximum);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => in_numbers(maximum),
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files (RLIMIT_NOFILE)");
            in_numbers(current)
        }
    }
}

/// Makes the process's table of descriptors large enough for so many at once.
///
/// The kernel doubles it otherwise, and where threads share it, the thread that opens one too many waits for up to 20 ms until
/// no other core reads the former table: a worker, with all of its connections. To be called before workers begin.
pub fn reserve(count: usize) {
    let Some(last) = count.checked_sub(1).and_then(|last| i32::try_from(last).ok()) else { return };
    // Dropped, and so closed, at once. If it can't be had, the table grows as it is needed.
    let _ = fcntl_dupfd_cloexec(std::io::stdin(), last);
}

/// No limit is a number that nobody reaches.
fn in_numbers(limit: Option<u64>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX / 2)
}
