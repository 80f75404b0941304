//! Follows symbolic links: the folders in which a change can make a path lead elsewhere, and the file to which it leads.

use std::{
    collections::{BTreeSet, VecDeque},
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

/// Linux follows at most this number of links on one path (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// The folder of each link on the path, and the folder of the file; if something is missing, the folder that lacks it. The folders
/// are absolute and contain no links.
pub(super) fn folders(path: &Path) -> BTreeSet<PathBuf> {
    follow(path).0
}

/// The file to which a path leads, without links, as events name it. It need not exist.
pub(super) fn file(path: &Path) -> PathBuf {
    follow(path).1
}

fn follow(path: &Path) -> (BTreeSet<PathBuf>, PathBuf) {
    let mut folders = BTreeSet::new();
    let Ok(path) = std::path::absolute(path) else { return (folders, path.to_owned()) };
    let mut here = PathBuf::from("/");
    let mut ahead: VecDeque<OsString> = names(&path).collect();
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        match (next.symlink_metadata(), next.read_link()) {
            (Ok(_), Ok(target)) => {
                folders.insert(here.clone());
                links += 1;
                if links > MOST_LINKS {
                    return (folders, next);
                }
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                    ahead.push_front(name);
                }
            }
            (Ok(metadata), Err(_)) if metadata.is_dir() && !ahead.is_empty() => here = next,
            // The file, or something that is missing, or a file in the place of a folder.
            _ => {
                folders.insert(here);
                return (folders, next);
            }
        }
    }
    folders.insert(here.clone());
    (folders, here)
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn links_are_resolved_for_existing_and_missing_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("releases/7")).unwrap();
        fs::write(root.join("releases/7/there"), "").unwrap();
        symlink("releases/7", root.join("current")).unwrap();
        symlink("current/there", root.join("to-there")).unwrap();
        symlink("current/missing", root.join("to-missing")).unwrap();
        for (path, wanted) in [
            ("releases/7/there", "releases/7/there"),
            ("current/there", "releases/7/there"),
            ("to-there", "releases/7/there"),
            ("current/missing", "releases/7/missing"),
            ("to-missing", "releases/7/missing"),
            ("current/../7/missing", "releases/7/missing"),
        ] {
            assert_eq!(file(&root.join(path)), root.join(wanted), "{path}");
        }
    }

    #[test]
    fn every_folder_with_a_link_on_the_way_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for made in ["releases/7/certs", "links", "elsewhere"] {
            fs::create_dir_all(root.join(made)).unwrap();
        }
        fs::write(root.join("releases/7/certs/ca.pem"), "").unwrap();
        fs::write(root.join("elsewhere/key"), "").unwrap();
        symlink("releases/7", root.join("current")).unwrap();
        symlink("../releases/7/../7/certs", root.join("links/certs")).unwrap();
        symlink(root.join("links"), root.join("absolute")).unwrap();
        symlink("../elsewhere/key", root.join("links/key")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("nowhere/at/all", root.join("dangling")).unwrap();
        for (path, wanted) in [
            ("releases/7/certs/ca.pem", &["releases/7/certs"][..]),
            ("current/certs/ca.pem", &["", "releases/7/certs"]),
            ("links/certs/ca.pem", &["links", "releases/7/certs"]),
            ("absolute/certs/ca.pem", &["", "links", "releases/7/certs"]),
            ("absolute/key", &["", "links", "elsewhere"]),
            ("elsewhere/../current/certs/ca.pem", &["", "releases/7/certs"]),
            ("loop", &[""]),
            ("dangling", &[""]),
            ("releases/8/certs/ca.pem", &["releases"]),
            ("releases/7/certs/other.pem", &["releases/7/certs"]),
            ("elsewhere/key/below", &["elsewhere"]),
        ] {
            // `join("")` would end in a slash.
            let wanted: BTreeSet<PathBuf> =
                wanted.iter().map(|at| if at.is_empty() { root.clone() } else { root.join(at) }).collect();
            assert_eq!(folders(&root.join(path)), wanted, "{path}");
        }
    }
}
