//! Explains why a file cannot be read and how to fix it: permissions of the file or its folders, dangling links, misspelt names.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::WorldWritable;
use crate::{
    config::{diagnostic::Fault, variable::variable},
    text::suggest::{nearest, quote, shell_word},
};

/// The fault of a file that cannot be read, with help if a fix is known.
#[must_use]
pub fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let explained = explain(path, error);
    Fault { what: format!("{}{}", path.display(), explained.what), ..explained }
}

/// What is wrong, as a text to append to the path, and the help.
fn explain(path: &Path, error: &io::Error) -> Fault {
    if let Some(WorldWritable { mode }) = WorldWritable::cause_of(error) {
        let what =
            format!(" can be written by others (mode {mode:03o}): any user of this machine could change it");
        return Fault::new(what).help(WorldWritable::help(path));
    }
    let fault = Fault::new(format!(" cannot be read: {error}"));
    match error.kind() {
        ErrorKind::PermissionDenied => explain_denied(path),
        ErrorKind::NotFound => explain_missing(path, fault),
        ErrorKind::IsADirectory => Fault::new(" is a folder, expected a file").help("name a file in it"),
        ErrorKind::NotADirectory => match path.ancestors().skip(1).find(|folder| folder.is_file()) {
            Some(file) => fault.help(format!("{} is a file, not a folder", file.display())),
            None => fault,
        },
        _ => fault,
    }
}

/// Names the missing permission, and the command that grants it.
fn explain_denied(path: &Path) -> Fault {
    let user = user();
    let what = format!(" cannot be read by the user {user}: permission denied");
    let has_access = |path: &Path, access| accessat(CWD, path, access, AtFlags::EACCESS).is_ok();
    let real = resolve_links(path);
    let folders: Vec<&Path> = real.ancestors().skip(1).collect();
    let help = match folders.iter().rev().find(|folder| !has_access(folder, Access::EXEC_OK)) {
        Some(folder) => format!(
            "{user} has no search permission on the folder {}; as root run: setfacl -m u:{user}:x {}",
            folder.display(),
            shell_path(folder)
        ),
        None if has_access(path, Access::READ_OK) => {
            "its mode allows it: check whether SELinux or AppArmor denies it (ausearch -m avc, dmesg)"
                .to_owned()
        }
        None => {
            // A folder is searched besides.
            let access = if real.is_dir() { "rx" } else { "r" };
            format!(
                "as root run: setfacl -m u:{user}:{access} {} (or: chown {user} {})",
                shell_path(path),
                shell_path(path)
            )
        }
    };
    Fault::new(what).help(help)
}

/// Follows symbolic links as far as they can be read. Unlike `canonicalize`, it works for a target in an inaccessible folder.
fn resolve_links(path: &Path) -> PathBuf {
    const MAX_LINKS: usize = 8;
    let mut path = std::path::absolute(path).unwrap_or_default();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().map(|folder| folder.join(&target)).unwrap_or(target);
    }
    path
}

/// Explains why the path does not exist: an unexpanded variable, a dangling link, a missing folder, a misspelt name.
fn explain_missing(path: &Path, fault: Fault) -> Fault {
    let text = path.display().to_string();
    if let Some(variable) = variable(&text) {
        let help = format!("write the path itself in place of {variable}");
        return Fault::new(" cannot be read: such variables are not expanded").help(help);
    }
    if path.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"~")) {
        let help = "write the path of the home folder itself";
        return Fault::new(" cannot be read: ~ is not expanded").help(help);
    }
    if text.contains("file:") {
        return fault.help("write the path alone, without file:");
    }
    if let Ok(target) = fs::read_link(path) {
        let what = format!(" is a link to {}, which does not exist", target.display());
        return Fault::new(what).help(format!("point it to an existing file: ls -l {}", shell_path(path)));
    }
    let Some(folder) = path.parent() else { return fault };
    if !folder.as_os_str().is_empty() && !folder.exists() {
        let help = format!("the folder {} does not exist", folder.display());
        return Fault { explains_base: true, ..fault.help(help) };
    }
    match similar_name(path, folder) {
        Some(name) => fault.help(format!("did you mean {}?", quote(&name))),
        None => fault,
    }
}

/// The most similar name of a file in the folder.
fn similar_name(path: &Path, folder: &Path) -> Option<String> {
    /// Bounds the search in large folders, which are unlikely to belong to the configuration.
    const MAX_ENTRIES: usize = 1000;
    let name = path.file_name()?.to_str()?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names: Vec<String> = fs::read_dir(folder)
        .ok()?
        .take(MAX_ENTRIES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    if let Some(same) = names.iter().find(|other| other.as_str() == name.trim()) {
        return Some(same.clone());
    }
    // A certificate is not suggested for a private key.
    let extension = |name: &str| Path::new(name).extension().map(std::ffi::OsStr::to_ascii_lowercase);
    let alike = names.iter().map(String::as_str).filter(|other| extension(other) == extension(name));
    (name.len() <= 100).then(|| nearest(name, alike)).flatten().map(str::to_owned)
}

fn shell_path(path: &Path) -> String {
    shell_word(&path.display().to_string())
}

/// The user that this process runs as: the name, or the number if it has no name, as in many containers.
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

    fn explanation(path: &Path) -> (String, Option<String>) {
        let Fault { what, help, .. } = explain(path, &fs::read(path).unwrap_err());
        let folder = format!("{}/", path.parent().unwrap().display());
        (what, help.map(|help| help.replace(&folder, "")))
    }

    #[test]
    fn help_explains_why_a_file_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("server.pem"), "").unwrap();
        symlink("gone.pem", at("link.pem")).unwrap();
        let none = " cannot be read: No such file or directory (os error 2)";
        for (name, what, help) in [
            (
                "${CERT_DIR}",
                " cannot be read: such variables are not expanded",
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
            let (found, found_help) = explanation(&at(name));
            assert_eq!((found.as_str(), found_help.as_deref()), (what, help), "{name}");
        }
        let (_, help) = explanation(&at("certs/server.pem"));
        assert!(help.unwrap().starts_with("the folder "));
        let (_, help) = explanation(&at("server.pem/a.pem"));
        assert_eq!(help.unwrap(), format!("{} is a file, not a folder", at("server.pem").display()));
    }

    #[test]
    fn the_process_user_is_a_name_or_a_number() {
        assert!(!user().is_empty() && !user().contains([':', '\n']));
    }
}
