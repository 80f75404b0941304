//! The edge under `valgrind --tool=callgrind`: user-space instructions, whatever else the machine does.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command};

use crate::edge::{Folder, PROGRAM, start_under};

/// Valgrind's version; none if it is not installed.
pub fn version() -> Option<String> {
    let output = Command::new("valgrind").arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// The instructions of the edge's worker under a load, and the profile that contains them.
///
/// The worker is the thread whose count grows most with the load.
pub struct Counted {
    pub worker: u64,
    pub profile: PathBuf,
}

/// The instructions of the worker for a load of `long` operations minus those for `short`: start and end cancel out.
pub fn difference(
    folder: &Folder,
    name: &str,
    [short, long]: [usize; 2],
    load: impl Fn(usize, SocketAddr),
) -> Counted {
    let before = threads(folder, &format!("{name}-{short}"), |address| load(short, address));
    let after = threads(folder, &format!("{name}-{long}"), |address| load(long, address));
    assert_eq!(before.len(), after.len(), "both runs have the same threads");
    before
        .into_iter()
        .zip(after)
        .map(|((_, before), (profile, after))| Counted { worker: after.saturating_sub(before), profile })
        .max_by_key(|counted| counted.worker)
        .unwrap()
}

/// Each thread's profile and instructions, in the order of their start.
fn threads(folder: &Folder, name: &str, load: impl FnOnce(SocketAddr)) -> Vec<(PathBuf, u64)> {
    let profiles = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("instructions").join(name);
    let _ = fs::remove_dir_all(&profiles);
    fs::create_dir_all(&profiles).unwrap();
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["-q", "--tool=callgrind", "--separate-threads=yes"])
        .arg(format!("--callgrind-out-file={}", profiles.join("thread").display()))
        .arg(PROGRAM);
    let edge = start_under(valgrind, folder);
    load(edge.https);
    edge.stop();
    let mut threads: Vec<_> =
        fs::read_dir(profiles).unwrap().map(|profile| profile.unwrap().path()).collect();
    threads.sort();
    threads.into_iter().filter_map(|profile| Some((profile.clone(), total(&profile)?))).collect()
}

/// The total of a profile; none in the empty one of the whole process.
fn total(profile: &std::path::Path) -> Option<u64> {
    let text = String::from_utf8_lossy(&fs::read(profile).unwrap()).into_owned();
    text.lines().rev().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}
