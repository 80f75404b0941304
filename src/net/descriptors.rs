//! The limit of open files (RLIMIT_NOFILE): every connection takes a descriptor.

use rustix::{
    io::fcntl_dupfd_cloexec,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// The most descriptors that the process can have: the hard limit.
#[must_use]
pub fn limit() -> usize {
    to_count(getrlimit(Resource::Nofile).maximum)
}

/// Raises the soft limit to the hard one, and returns the limit that is then in force.
///
/// Most shells and containers set the soft limit to 1,024 for programs that call `select`, which the edge does not.
pub fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return to_count(maximum);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => to_count(maximum),
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files (RLIMIT_NOFILE)");
            to_count(current)
        }
    }
}

/// Makes the kernel's descriptor table of this process large enough for `count` descriptors. To be called before workers start.
///
/// The kernel would otherwise double the table on demand, and the thread that causes it waits for up to 20 ms until no other core
/// reads the former table: a worker, with all of its connections.
pub fn reserve(count: usize) {
    let Some(last) = count.checked_sub(1).and_then(|last| i32::try_from(last).ok()) else { return };
    // The duplicate is closed at once. If it fails, the table grows on demand.
    let _ = fcntl_dupfd_cloexec(std::io::stdin(), last);
}

/// A limit as a number; "unlimited" becomes one that cannot be reached.
fn to_count(limit: Option<u64>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX / 2)
}
