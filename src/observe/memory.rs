//! Whether memory is short: the use beside its bound, and the state that follows from it.

mod cgroup;
mod outer;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
};

use self::outer::Outer;
pub use self::outer::{Owner, outer_bound};
use super::metrics::{Collector, Descriptor, Families, KeptFile, resident, status};
use crate::clock::{Clock, Timestamp};

static USED: Descriptor<0> =
    Descriptor::gauge("mtls_edge_memory_bytes", [], "Memory in use, as it is compared with its limit.");
static LIMIT: Descriptor<0> = Descriptor::gauge(
    "mtls_edge_memory_limit_bytes",
    [],
    "Memory that may be in use before connections are refused; 0 if it is not known.",
);
static SHORT: Descriptor<0> = Descriptor::gauge(
    "mtls_edge_memory_short",
    [],
    "1 while new connections are refused for lack of memory, else 0.",
);

/// The memory of the process, or of its control group. It is observed several times per second, and everyone else reads what was found.
#[derive(Debug)]
pub struct MemoryWatch {
    outer: Mutex<Outer>,
    status: KeptFile,
    used: AtomicU64,
    /// Zero if none is known.
    limit: AtomicU64,
    is_short: AtomicBool,
    /// When it was not short before, in seconds since 1970.
    since: AtomicI64,
}

impl MemoryWatch {
    /// A watch that has not observed anything yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            outer: Mutex::new(Outer::of_process()),
            status: status(),
            used: AtomicU64::default(),
            limit: AtomicU64::default(),
            is_short: AtomicBool::default(),
            since: AtomicI64::default(),
        })
    }

    /// Reads the use. `configured` bounds the memory of the process; without it, the control group or the machine does.
    pub fn observe(&self, configured: Option<u64>) {
        let read = match configured {
            Some(limit) => resident(&self.status).map(|used| (used, limit)),
            None => self.outer.lock().unwrap_or_else(PoisonError::into_inner).read(&self.status),
        };
        // What cannot be read is assumed to be as before: memory has its limit.
        if let Some(read) = read {
            self.note(read);
        }
    }

    /// Memory is short from the limit on, until a twentieth of it is free again.
    fn note(&self, (used, limit): (u64, u64)) {
        self.used.store(used, Relaxed);
        self.limit.store(limit, Relaxed);
        let was_short = self.is_short();
        let is_short = limit > 0 && used >= if was_short { limit - limit / 20 } else { limit };
        if is_short && !was_short {
            self.since.store(Clock::System.now().unix(), Relaxed);
        }
        self.is_short.store(is_short, Relaxed);
        match (was_short, is_short) {
            (false, true) => {
                tracing::warn!(used, limit, "memory is short: new connections replace others or are refused");
            }
            (true, false) => tracing::info!(used, limit, "memory is not short any more"),
            _ => {}
        }
    }

    /// Whether memory is short.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.is_short.load(Relaxed)
    }

    /// Since when memory is short, and a sentence for operators.
    #[must_use]
    pub fn shortage(&self) -> Option<(Timestamp, String)> {
        let (used, limit) = (self.used.load(Relaxed), self.limit.load(Relaxed));
        self.is_short().then(|| {
            let what = format!("memory is short: {used} of {limit} bytes are in use, so new connections replace others or are refused");
            (Timestamp::from_unix(self.since.load(Relaxed)), what)
        })
    }
}

impl Collector for Arc<MemoryWatch> {
    fn collect(&self, families: &mut Families) {
        families.set(&USED, [], self.used.load(Relaxed));
        families.set(&LIMIT, [], self.limit.load(Relaxed));
        families.set(&SHORT, [], u8::from(self.is_short()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_short_until_a_twentieth_is_free() {
        let watch = MemoryWatch::new();
        let short = [(999, 1000), (1000, 1000), (960, 1000), (950, 1000), (949, 1000), (960, 1000), (5, 0)]
            .map(|read| {
                watch.note(read);
                watch.is_short()
            });
        assert_eq!(short, [false, true, true, true, false, false, false]);
    }

    #[test]
    fn a_limit_below_the_own_memory_is_reached() {
        let watch = MemoryWatch::new();
        watch.observe(Some(1));
        assert!(watch.is_short() && watch.shortage().is_some());
        watch.observe(Some(1 << 50));
        assert!(!watch.is_short() && watch.shortage().is_none());
    }
}
