//! Why a file can't be read, and how to mend that: permissions, folders on the way, links, names that are not as they look.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::{Loose, fault};
use crate::{
    config::{diagnostic::Fault, variable::variable},
    text::suggest::{nearest, quote, shell_word},
};

/// Why a file cannot be read, and how to fix it where that is known.
#[must_use]
pub fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let (what, help) = explained(path, error);
    Fault { help, ..fault(path, what) }
}

/// The same in two texts, of which the first follows the file's name.
fn explained(path: &Path, error: &io::Error) -> (String, Option<String>) {
    if let Some(Loose { mode }) = Loose::of(error) {
        return (
            format!(" can be written by others (mode {mode:03o}): any user of this machine could change it"),
            Some(format!("run: chmod o-w {}", word(path))),
        );
    }
    match error.kind() {
        ErrorKind::PermissionDenied => denied(path),
        ErrorKind::NotFound => missing(path, error),
        ErrorKind::NotADirectory => {
            let file = path.ancestors().skip(1).find(|folder| folder.is_file());
            let help = file.map(|file| format!("{} is a file, not a folder", file.display()));
            (format!(" cannot be read: {error}"), help)
        }
        _ => (format!(" cannot be read: {error}"), None),
    }
}

/// Which right lacks whom, and the command that gives it.
fn denied(path: &Path) -> (String, Option<String>) {
    let user = user();
    let what = format!(" cannot be read by the user {user}: permission denied");
    let may = |path: &Path, access| accessat(CWD, path, access, AtFlags::EACCESS).is_ok();
    let real = followed(path);
    let folders: Vec<&Path> = real.ancestors().skip(1).collect();
    let help = match folders.iter().rev().find(|folder| !may(folder, Access::EXEC_OK)) {
        Some(folder) => format!(
            "{user} may not enter the folder {}; as root run: setfacl -m u:{user}:x {}",
            folder.display(),
            word(folder)
        ),
        None if may(path, Access::READ_OK) => {
            "its mode allows it: check whether SELinux or AppArmor denies it (ausearch -m avc, dmesg)"
                .to_owned()
        }
        None => {
            format!("as root run: setfacl -m u:{user}:r {} (or: chown {user} {})", word(path), word(path))
        }
    };
    (what, Some(help))
}

/// Where links lead, as far as they can be read: the last one may be in a folder that can't be entered.
fn followed(path: &Path) -> PathBuf {
    const MOST: usize = 8;
    let mut path = std::path::absolute(path).unwrap_or_default();
    for _ in 0..MOST {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().map(|folder| folder.join(&target)).unwrap_or(target);
    }
    path
}

/// What is there in place of the file.
fn missing(path: &Path, error: &io::Error) -> (String, Option<String>) {
    let what = format!(" cannot be read: {error}");
    let text = path.display().to_string();
    if let Some(variable) = variable(&text) {
        let help = format!("write the path itself in place of {variable}");
        return (" cannot be read: variables are not expanded".to_owned(), Some(help));
    }
    if path.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"~")) {
        let help = "write the path of the home folder itself";
        return (" cannot be read: ~ is not expanded".to_owned(), Some(help.to_owned()));
    }
    if text.contains("file:") {
        return (what, Some("write the path alone, without file:".to_owned()));
    }
    if let Ok(target) = fs::read_link(path) {
        let (link, target) = (" is a link to", target.display());
        let help = format!("point it to an existing file: ls -l {}", word(path));
        return (format!("{link} {target}, which does not exist"), Some(help));
    }
    let Some(folder) = path.parent() else { return (what, None) };
    if !folder.as_os_str().is_empty() && !folder.exists() {
        let help = format!(
            "there is no folder {}; a relative path begins at the folder of the file that names it",
            folder.display()
        );
        return (what, Some(help));
    }
    (what, neighbour(path, folder).map(|name| format!("did you mean {}?", quote(&name))))
}

/// A file of the folder whose name is nearly the same.
fn neighbour(path: &Path, folder: &Path) -> Option<String> {
    /// Larger folders hold something else than the few files of a configuration.
    const MOST: usize = 1000;
    let name = path.file_name()?.to_str()?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names: Vec<String> = fs::read_dir(folder)
        .ok()?
        .take(MOST)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    if let Some(same) = names.iter().find(|other| other.as_str() == name.trim()) {
        return Some(same.clone());
    }
    // A certificate is not what was meant by a key.
    let extension = |name: &str| Path::new(name).extension().map(std::ffi::OsStr::to_ascii_lowercase);
    let alike = names.iter().map(String::as_str).filter(|other| extension(other) == extension(name));
    (name.len() <= 100).then(|| nearest(name, alike)).flatten().map(str::to_owned)
}

fn word(path: &Path) -> String {
    shell_word(&path.display().to_string())
}

/// The user that this process runs as: by name, or by number where it has none, as in many containers.
fn user() -> String {
    let id = rustix::process::geteuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    named.unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn said(path: &Path) -> (String, Option<String>) {
        let (what, help) = explained(path, &fs::read(path).unwrap_err());
        let folder = format!("{}/", path.parent().unwrap().display());
        (what, help.map(|help| help.replace(&folder, "")))
    }

    #[test]
    fn what_replaces_a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("server.pem"), "").unwrap();
        symlink("gone.pem", at("link.pem")).unwrap();
        let none = " cannot be read: No such file or directory (os error 2)";
        for (name, what, help) in [
            (
                "${CERT_DIR}",
                " cannot be read: variables are not expanded",
                Some("write the path itself in place of ${CERT_DIR}"),
            ),
            ("~", " cannot be read: ~ is not expanded", Some("write the path of the home folder itself")),
            (
                "link.pem",
                " is a link to gone.pem, which does not exist",
                Some("point it to an existing file: ls -l link.pem"),
            ),
            ("servr.pem", none, Some("did you mean \"server.pem\"?")),
            ("server.pem ", none, Some("did you mean \"server.pem\"?")),
            ("server.key", none, None),
        ] {
            let (said, helped) = said(&at(name));
            assert_eq!((said.as_str(), helped.as_deref()), (what, help), "{name}");
        }
        let (_, help) = said(&at("certs/server.pem"));
        assert!(help.unwrap().starts_with("there is no folder "));
        let (_, help) = said(&at("server.pem/a.pem"));
        assert_eq!(help.unwrap(), format!("{} is a file, not a folder", at("server.pem").display()));
    }

    #[test]
    fn the_user_of_the_process_has_a_name_or_a_number() {
        assert!(!user().is_empty() && !user().contains([':', '\n']));
    }
}
