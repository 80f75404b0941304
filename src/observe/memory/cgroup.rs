//! The memory that the process's control group may use, and uses: cgroups(7), version 1 and 2.

use std::path::{Path, PathBuf};

use super::KeptFile;

/// A bound above this is none: version 1 has a huge number for it.
const NONE: u64 = 1 << 60;

/// A control group with a bound on memory.
#[derive(Debug)]
pub(super) struct Cgroup {
    bound: KeptFile,
    used: KeptFile,
    statistics: KeptFile,
    is_v2: bool,
}

impl Cgroup {
    /// The group with the lowest bound, of a process's own and those that contain it: by its `/proc/self/cgroup` and
    /// `/proc/self/mountinfo`.
    pub(super) fn find(groups: &str, mounts: &str) -> Option<Self> {
        let found = folders(groups, mounts).into_iter().flat_map(|(mount, folder, is_v2)| {
            let within = folder.ancestors().take_while(|folder| folder.starts_with(&mount));
            within.map(|folder| Self::open(folder, is_v2)).collect::<Vec<_>>()
        });
        let bounded = found.filter_map(|group| Some((group.bound()?, group)));
        let (_, lowest) = bounded.filter(|(bound, _)| *bound < NONE).min_by_key(|(bound, _)| *bound)?;
        Some(lowest)
    }

    fn open(folder: &Path, is_v2: bool) -> Self {
        let (bound, used) = if is_v2 {
            ("memory.max", "memory.current")
        } else {
            ("memory.limit_in_bytes", "memory.usage_in_bytes")
        };
        let [bound, used, statistics] =
            [bound, used, "memory.stat"].map(|file| KeptFile::open(folder.join(file)));
        Self { bound, used, statistics, is_v2 }
    }

    /// What it uses now, in bytes, without the page cache, which the kernel frees first; and its bound now. Both are 0 if it is not bounded any
    /// more.
    pub(super) fn read(&self) -> Option<(u64, u64)> {
        let bound = self.bound()?;
        if bound >= NONE {
            return Some((0, 0));
        }
        let (statistics, prefix) = (self.statistics.read()?, if self.is_v2 { "" } else { "total_" });
        let cached = |kind: &str| {
            let value =
                |line: &str| line.strip_prefix(prefix)?.strip_prefix(kind)?.strip_prefix(' ')?.parse().ok();
            statistics.lines().find_map(value).unwrap_or(0_u64)
        };
        let used = self.used.read()?.trim().parse::<u64>().ok()?;
        Some((used.saturating_sub(cached("active_file")).saturating_sub(cached("inactive_file")), bound))
    }

    /// At least [`NONE`] if it is not bounded.
    fn bound(&self) -> Option<u64> {
        match self.bound.read()?.trim() {
            "max" => Some(u64::MAX),
            bound => bound.parse().ok(),
        }
    }
}

/// The folders of the process's groups: where the hierarchy is mounted, the folder, and whether it is of version 2.
fn folders(groups: &str, mounts: &str) -> Vec<(PathBuf, PathBuf, bool)> {
    let group = |is_wanted: &dyn Fn(&str, &str) -> bool| {
        groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            is_wanted(number, controllers).then_some(path)
        })
    };
    let has_memory = |list: &str| list.split(',').any(|name| name == "memory");
    let v1 = group(&|_, controllers| has_memory(controllers));
    let v2 = group(&|number, controllers| number == "0" && controllers.is_empty());
    let mounted = mounts.lines().filter_map(|line| {
        // proc(5): number, parent, device, root, mount point, options, optional fields, a dash, type, source, super options.
        let (before, after) = line.split_once(" - ")?;
        let (root, mount) = (before.split(' ').nth(3)?, before.split(' ').nth(4)?);
        let (kind, options) = (after.split(' ').next()?, after.split(' ').nth(2)?);
        let (path, is_v2) = match kind {
            "cgroup2" => (v2?, true),
            "cgroup" if has_memory(options) => (v1?, false),
            _ => return None,
        };
        // In a container the hierarchy may be mounted from the process's own group on.
        let path = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
        let path = path.strip_prefix("/").unwrap_or(path);
        Some((PathBuf::from(mount), Path::new(mount).join(path), is_v2))
    });
    mounted.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MOUNT_V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";

    #[test]
    fn a_group_is_found_under_its_mount() {
        let of = |path: &str, is_v2| vec![(PathBuf::from("/sys/fs/cgroup"), PathBuf::from(path), is_v2)];
        let service = "0::/system.slice/mtls-edge.service\n";
        assert_eq!(folders(service, MOUNT_V2), of("/sys/fs/cgroup/system.slice/mtls-edge.service", true));
        // In a namespace of its own.
        assert_eq!(folders("0::/\n", MOUNT_V2), of("/sys/fs/cgroup/", true));
        // Version 1, mounted from the container's group on.
        let mount = "31 23 0:27 /docker/abc /sys/fs/cgroup rw - cgroup cgroup rw,memory\n";
        assert_eq!(folders("4:memory:/docker/abc\n0::/\n", mount), of("/sys/fs/cgroup/", false));
        assert_eq!(folders("4:memory:/docker/abc/edge\n", mount), of("/sys/fs/cgroup/edge", false));
        assert!(folders("2:cpu:/\n", mount).is_empty());
    }

    #[test]
    fn the_lowest_bound_of_version_2_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (outer, own) = (folder.path().join("a"), folder.path().join("a/b"));
        fs::create_dir_all(&own).unwrap();
        for (folder, bound) in [(&outer, "1000"), (&own, "max")] {
            fs::write(folder.join("memory.max"), bound).unwrap();
            fs::write(folder.join("memory.current"), "900").unwrap();
            fs::write(folder.join("memory.stat"), "anon 500\ninactive_file 100\nactive_file 30\n").unwrap();
        }
        let mount = MOUNT_V2.replace("/sys/fs/cgroup", folder.path().to_str().unwrap());
        let group = Cgroup::find("0::/a/b\n", &mount).unwrap();
        assert_eq!(group.read(), Some((770, 1000)));
        // The files are read again, and a bound may be removed.
        fs::write(outer.join("memory.max"), "max\n").unwrap();
        assert_eq!(group.read(), Some((0, 0)));
    }
}
