//! CPU time and memory of a process and its descendants, as the kernel reports them.

use std::{fs, process::Command, time::Duration};

/// A process with its descendants.
#[derive(Clone, Copy, Debug)]
pub struct Tree(pub u32);

impl Tree {
    /// User and system time of all threads so far, as the scheduler counts it, in nanoseconds. Threads that have ended are not
    /// counted: no contender ends threads while it is measured.
    pub fn cpu(self) -> Duration {
        let tasks = self.processes().into_iter().flat_map(|process| {
            let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
            tasks.filter_map(|task| Some(task.ok()?.path()))
        });
        tasks.map(|task| on_cpu(&fs::read_to_string(task.join("schedstat")).unwrap_or_default())).sum()
    }

    /// Resident memory in bytes. Shared memory is counted once.
    pub fn memory(self) -> u64 {
        let sizes = self.processes().into_iter().filter_map(|process| {
            let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        });
        sizes.sum::<u64>() * 1024
    }

    /// The peak of resident memory since [`Self::forget_peak`], in bytes, of all processes.
    pub fn peak(self) -> u64 {
        let sizes = self.processes().into_iter().filter_map(|process| {
            let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        });
        sizes.sum::<u64>() * 1024
    }

    /// Resets the peak to what is resident now.
    pub fn forget_peak(self) {
        for process in self.processes() {
            let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
        }
    }

    /// The ids of all processes.
    pub fn processes(self) -> Vec<u32> {
        let mut found = vec![self.0];
        let mut next = 0;
        while let Some(process) = found.get(next) {
            let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
            let children: Vec<u32> = tasks
                .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok())
                .flat_map(|text| text.split(' ').filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
                .collect();
            found.extend(children);
            next += 1;
        }
        found
    }

    /// Kills all processes.
    pub fn kill(self) {
        for process in self.processes() {
            let _ = Command::new("kill").args(["-KILL", &process.to_string()]).status();
        }
    }
}

/// The first field of `schedstat`: nanoseconds on a CPU.
fn on_cpu(schedstat: &str) -> Duration {
    let nanos = schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}
