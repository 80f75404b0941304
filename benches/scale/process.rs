//! CPU time and memory of a process, as the kernel reports them.

use std::{fs, time::Duration};

/// Reads figures of one process.
pub struct Process(pub u32);

impl Process {
    /// CPU time of all threads so far.
    pub fn cpu(&self) -> Duration {
        self.threads("").iter().map(|task| on_cpu(task)).sum()
    }

    /// CPU time of the threads of this name so far.
    pub fn cpu_of(&self, name: &str) -> Duration {
        self.threads(name).iter().map(|task| on_cpu(task)).sum()
    }

    /// The folders of the threads of this name, or of all.
    fn threads(&self, name: &str) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).unwrap();
        tasks
            .map(|task| task.unwrap().path().display().to_string())
            .filter(|task| {
                let own = fs::read_to_string(format!("{task}/comm")).unwrap_or_default();
                name.is_empty() || own.trim() == name
            })
            .collect()
    }

    /// Resident memory now, in MB (10^6 bytes).
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The peak of resident memory since the start, or since [`Self::forget_peak`], in MB.
    pub fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Resets the peak to what is resident now.
    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5").unwrap();
    }

    fn status(&self, key: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib * 1024 / 1_000_000
    }
}

/// The first field of `schedstat`: nanoseconds on a CPU. A thread that has ended has none.
fn on_cpu(task: &str) -> Duration {
    let text = fs::read_to_string(format!("{task}/schedstat")).unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}
