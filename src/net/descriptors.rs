//! The limit of open files (RLIMIT_NOFILE): every connection takes a descriptor.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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

/// No limit is a number that nobody reaches.
fn in_numbers(limit: Option<u64>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX / 2)
}
