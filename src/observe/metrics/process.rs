//! The facts about the process that Prometheus' client libraries report, and about the build.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use super::{Collector, Descriptor, Families};
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

/// Reads `/proc/self` at each scrape. What cannot be read is left out.
#[derive(Debug)]
pub struct Process {
    started: SystemTime,
}

impl Process {
    /// Of a process that has just started.
    #[must_use]
    pub fn started_now() -> Self {
        Self { started: SystemTime::now() }
    }
}

impl Collector for Process {
    fn collect(&self, families: &mut Families) {
        let build = [env!("CARGO_PKG_VERSION"), COMMIT, RUSTC, std::env::consts::ARCH, std::env::consts::OS];
        families.set(&BUILD_INFO, build, 1);
        if let Ok(since) = self.started.duration_since(SystemTime::UNIX_EPOCH) {
            families.set(&START_TIME, [], since.as_secs());
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        for (metric, name, unit) in
            [(&RESIDENT, "VmRSS:", 1024), (&VIRTUAL, "VmSize:", 1024), (&THREADS, "Threads:", 1)]
        {
            if let Some(value) = number_after(&status, name) {
                families.set(metric, [], value.saturating_mul(unit));
            }
        }
        if let Some(ticks) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_ticks(&stat)) {
            families.set_seconds(&CPU, Duration::from_millis(ticks.saturating_mul(MILLISECONDS_PER_TICK)));
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One is that of the directory itself.
            families.set(&OPEN_FDS, [], open.count().saturating_sub(1));
        }
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        if let Some(limit) = number_after(&limits, "Max open files") {
            families.set(&MAX_FDS, [], limit);
        }
    }
}

/// The resident memory of the process, in bytes.
pub(in crate::observe) fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    number_after(&status, "VmRSS:").map(|kilobytes| kilobytes.saturating_mul(1024))
}

/// `USER_HZ` is 100 on all architectures that the edge is built for.
const MILLISECONDS_PER_TICK: u64 = 10;

/// The first number after the name that begins a line.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `utime` and `stime` of proc(5), the fields 14 and 15. The second field may contain spaces and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user.saturating_add(system))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_after_any_name() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 5 1 2";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("7 (a"), None);
    }
}
