//! The facts about the process that Prometheus' client libraries report, and about the build.

use std::{
    fs::File,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rustix::{
    fs::Dir,
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use super::{Collector, Descriptor, Families, kept::KeptFile};
use crate::build_facts::{COMMIT, RUSTC};

static BUILD_INFO: Descriptor<5> = Descriptor::gauge(
    "mtls_edge_build_info",
    ["version", "commit", "rustc", "arch", "os"],
    "Always 1; the labels describe the build.",
);
static START_TIME: Descriptor<0> = Descriptor::gauge(
    "process_start_time_seconds",
    [],
    "Start time of the process, in seconds since the Unix epoch.",
);
static CPU: Descriptor<0> = Descriptor::counter(
    "process_cpu_seconds_total",
    [],
    "User and system CPU time of the process, in seconds.",
);
static RESIDENT: Descriptor<0> =
    Descriptor::gauge("process_resident_memory_bytes", [], "Resident memory of the process.");
static VIRTUAL: Descriptor<0> =
    Descriptor::gauge("process_virtual_memory_bytes", [], "Virtual memory of the process.");
static OPEN_FDS: Descriptor<0> =
    Descriptor::gauge("process_open_fds", [], "Open file descriptors of the process.");
static MAX_FDS: Descriptor<0> =
    Descriptor::gauge("process_max_fds", [], "File descriptors that the process may open.");
static THREADS: Descriptor<0> = Descriptor::gauge("process_threads", [], "Threads of the process.");

/// Reads `/proc/self` at each scrape. What cannot be read is left out; what can be read can also be without a further descriptor.
#[derive(Debug)]
pub struct Process {
    started: SystemTime,
    status: KeptFile,
    /// The folder of descriptors; none if there is no `/proc`.
    descriptors: Option<Mutex<Dir>>,
}

impl Process {
    /// Of a process that has just started.
    #[must_use]
    pub fn started_now() -> Self {
        let folder = File::open("/proc/self/fd").ok();
        Self {
            started: SystemTime::now(),
            status: status(),
            descriptors: folder.and_then(|folder| Dir::new(folder).ok()).map(Mutex::new),
        }
    }

    /// How many descriptors are open.
    fn open_descriptors(&self) -> Option<usize> {
        let mut folder = self.descriptors.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        folder.rewind();
        let entries = folder.by_ref().map_while(Result::ok);
        Some(entries.filter(|entry| !entry.file_name().to_bytes().starts_with(b".")).count())
    }
}

impl Collector for Process {
    fn collect(&self, families: &mut Families) {
        let build = [env!("CARGO_PKG_VERSION"), COMMIT, RUSTC, std::env::consts::ARCH, std::env::consts::OS];
        families.set(&BUILD_INFO, build, 1);
        if let Ok(since) = self.started.duration_since(SystemTime::UNIX_EPOCH) {
            families.set(&START_TIME, [], since.as_secs());
        }
        let status = self.status.read().unwrap_or_default();
        for (metric, name, unit) in
            [(&RESIDENT, "VmRSS:", 1024), (&VIRTUAL, "VmSize:", 1024), (&THREADS, "Threads:", 1)]
        {
            if let Some(value) = number_after(&status, name) {
                families.set(metric, [], value.saturating_mul(unit));
            }
        }
        if let Ok(used) = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)) {
            families.set_seconds(&CPU, used);
        }
        if let Some(open) = self.open_descriptors() {
            families.set(&OPEN_FDS, [], open);
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            families.set(&MAX_FDS, [], limit);
        }
    }
}

/// The file with the resident memory of the process.
pub(in crate::observe) fn status() -> KeptFile {
    KeptFile::open("/proc/self/status")
}

/// The resident memory of the process in this file, in bytes.
pub(in crate::observe) fn resident(status: &KeptFile) -> Option<u64> {
    bytes_after(&status.read()?, "VmRSS:")
}

/// The kilobytes after the name that begins a line, in bytes.
pub(in crate::observe) fn bytes_after(text: &str, name: &str) -> Option<u64> {
    number_after(text, name).map(|kilobytes| kilobytes.saturating_mul(1024))
}

/// The first number after the name that begins a line.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
