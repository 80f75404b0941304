//! Distinguishes keystores (PKCS#12) from other files, by their content.

use std::path::Path;

use crate::{
    config::{Fault, file},
    pbe,
};

/// The content of a file if it is a keystore.
pub(super) fn content(path: &Path) -> Option<file::Content> {
    let content = file::read_with_mode(path, file::LIMIT).ok()?;
    pbe::is_pkcs12(&content.bytes).then_some(content)
}

/// The advice for a file that is configured as `name` alone, if it is a keystore: to name it as `other`, too.
pub(super) fn advice(fault: Fault, path: &Path, other: &str) -> Fault {
    if content(path).is_none() {
        return fault;
    }
    let otherwise = fault.help.as_deref().unwrap_or_default();
    let help = format!(
        "name the same file as {other}, too, with its password as private_key_password; or {otherwise}"
    );
    fault.help(help)
}
