//! The bound on memory where none is configured: that of the control group, or else of the machine.

use std::{fs, path::PathBuf};

use super::cgroup::Cgroup;
use crate::observe::metrics::{KeptFile, bytes_after, resident};

/// So many reads use the same group and the same size of the machine: some seconds, since finding them reads and opens several files.
const READS: u32 = 50;

/// Whose memory bounds that of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The control group, which allows less than the machine has.
    ControlGroup,
    /// The machine.
    Machine,
}

/// What bounds the process's memory from outside. Both may change while it runs.
#[derive(Debug)]
pub(super) struct Outer {
    files: Files,
    group: Option<Cgroup>,
    machine: Option<u64>,
    /// Until both are looked up again.
    reads_left: u32,
}

/// The files of the kernel in which both are found.
#[derive(Debug)]
struct Files {
    groups: PathBuf,
    mounts: PathBuf,
    machine: PathBuf,
}

impl Outer {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        let [groups, mounts, machine] =
            ["/proc/self/cgroup", "/proc/self/mountinfo", "/proc/meminfo"].map(PathBuf::from);
        Self::of(Files { groups, mounts, machine })
    }

    fn of(files: Files) -> Self {
        Self { files, group: None, machine: None, reads_left: 0 }
    }

    /// The use and its limit now: nine tenths of what the control group may use; or of the machine's memory, which other processes need, too,
    /// three quarters. Both are 0 if neither is known. `status` has the memory of the process.
    pub(super) fn read(&mut self, status: &KeptFile) -> Option<(u64, u64)> {
        self.reads_left = self.reads_left.checked_sub(1).unwrap_or_else(|| {
            self.look_up();
            READS - 1
        });
        if let Some(group) = &self.group {
            let (used, bound) = group.read()?;
            if self.is_lowest(bound) {
                return Some((used, bound - bound / 10));
            }
        }
        let Some(machine) = self.machine else { return Some((0, 0)) };
        Some((resident(status)?, machine - machine / 4))
    }

    /// Finds the group and the size of the machine. What cannot be opened or read is assumed to be as before.
    fn look_up(&mut self) {
        let read = |file: &PathBuf| fs::read_to_string(file).ok();
        if let (Some(groups), Some(mounts)) = (read(&self.files.groups), read(&self.files.mounts)) {
            self.group = Cgroup::find(&groups, &mounts);
        }
        let machine = read(&self.files.machine).and_then(|text| bytes_after(&text, "MemTotal:"));
        self.machine = machine.or(self.machine);
    }

    /// Whether this bound of the group is one, and below that of the machine.
    fn is_lowest(&self, of_group: u64) -> bool {
        of_group > 0 && self.machine.is_none_or(|machine| of_group < machine)
    }
}

/// The bytes that the process could use, and who has no more.
#[must_use]
pub fn outer_bound() -> Option<(Owner, u64)> {
    let mut outer = Outer::of_process();
    outer.look_up();
    let of_group = outer.group.as_ref().and_then(Cgroup::read).map(|(_, bound)| bound);
    let of_group = of_group.filter(|bound| outer.is_lowest(*bound));
    of_group
        .map(|bound| (Owner::ControlGroup, bound))
        .or_else(|| outer.machine.map(|bytes| (Owner::Machine, bytes)))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::observe::metrics;

    const MACHINE: u64 = 1_000_000 * 1024;

    /// A machine with one group of version 2, whose files have these values.
    fn machine(bound: &str) -> (TempDir, Outer) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let root = folder.path().to_str().unwrap();
        let mounts = format!("30 23 0:26 / {root} rw - cgroup2 cgroup2 rw\n");
        for (name, content) in [
            ("groups", "0::/\n"),
            ("mounts", &mounts),
            ("meminfo", "MemTotal:        1000000 kB\nMemFree:          500000 kB\n"),
            ("memory.max", bound),
            ("memory.current", "700\n"),
            ("memory.stat", "anon 700\n"),
        ] {
            fs::write(path(name), content).unwrap();
        }
        let files = Files { groups: path("groups"), mounts: path("mounts"), machine: path("meminfo") };
        (folder, Outer::of(files))
    }

    #[test]
    fn the_lower_of_group_and_machine_bounds_memory() {
        let status = metrics::status();
        let limit = |bound: &str| machine(bound).1.read(&status).unwrap().1;
        assert_eq!(limit("1000"), 900);
        let of_machine = MACHINE - MACHINE / 4;
        assert_eq!([limit("max"), limit(&(MACHINE + 1).to_string())], [of_machine; 2]);
        // Compared with it is what the process uses, not the group.
        let (used, _) = machine("max").1.read(&status).unwrap();
        assert!(used > 100_000, "{used}");
    }

    #[test]
    fn a_bound_that_is_set_later_is_found() {
        let (folder, mut outer) = machine("max");
        let status = metrics::status();
        let of_machine = MACHINE - MACHINE / 4;
        assert_eq!(outer.read(&status).unwrap().1, of_machine);
        fs::write(folder.path().join("memory.max"), "1000\n").unwrap();
        let limits: Vec<u64> = (0..READS).map(|_| outer.read(&status).unwrap().1).collect();
        assert_eq!((limits[0], *limits.last().unwrap()), (of_machine, 900));
        // Nothing changes while nothing can be opened.
        for file in ["groups", "meminfo"] {
            fs::remove_file(folder.path().join(file)).unwrap();
        }
        assert!((0..2 * READS).all(|_| outer.read(&status) == Some((700, 900))));
    }
}
