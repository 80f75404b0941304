//! Loads session ticket keys from a file, so that the edges of a fleet can resume each other's sessions.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{
    config::{Fault, Problem, Spanned, file},
    text::encoding,
    tls::{SECRET_BYTES, TicketSecrets},
};

/// The maximum number of keys in a file; a rotation needs two.
const MAX_KEYS: usize = 8;
/// The maximum size of the file in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads a file with one key per line: 32 bytes in base64, as `openssl rand -base64 32` prints them. Empty lines and lines that
/// begin with `#` are skipped.
pub(super) fn ticket_secrets(file: &Spanned<PathBuf>, problems: &mut Vec<Problem>) -> Option<TicketSecrets> {
    read(&file.value).map_err(|fault| problems.push(fault.at(&file.span, "domain.ticket_keys"))).ok()
}

fn read(path: &Path) -> Result<TicketSecrets, Fault> {
    let fault = |what: String, help: String| file::fault(path, what).help(help);
    let create = || format!("create one: (umask 077; openssl rand -base64 32 > {})", path.display());
    let loose = |mode: u32| {
        let what = format!(
            " can be read or written by others (mode {mode:03o}): anyone who has a ticket key can impersonate any client"
        );
        fault(what, format!("create new keys, then {}", file::chmod("o=", path)))
    };
    let content =
        file::read_with_mode(path, MAX_BYTES).map_err(|error| {
            match file::WorldWritable::cause_of(&error) {
                Some(file::WorldWritable { mode }) => loose(*mode),
                None => file::unreadable(path, &error).or_help(create()),
            }
        })?;
    if content.mode & 0o007 != 0 {
        return Err(loose(content.mode));
    }
    if let Some(wide) = encoding::wide(&content.bytes) {
        let new = format!("{}.new", path.display());
        let fix = wide.fix.replace("{file}", &path.display().to_string()).replace("{new}", &new);
        return Err(fault(format!(" is in {}, expected ASCII or UTF-8", wide.name), fix));
    }
    let bytes = encoding::strip_bom(&content.bytes);
    let mut secrets: Vec<Zeroizing<[u8; SECRET_BYTES]>> = Vec::new();
    let mut lines = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let (number, line) = (index + 1, line.trim_ascii());
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let at_line =
            |what: String, help: &str| fault(format!(", line {number}: found {what}"), help.to_owned());
        let secret = parse_secret(line).map_err(|found| {
            let what = format!("{found}, expected {SECRET_BYTES} bytes in base64");
            at_line(what, "write one key per line, as `openssl rand -base64 32` prints it")
        })?;
        if let Some(first) =
            secrets.iter().zip(&lines).find(|(other, _)| **other == secret).map(|(_, line)| line)
        {
            let what = format!("the key of line {first} a second time");
            return Err(at_line(what, "remove one of the two lines"));
        }
        if secrets.len() == MAX_KEYS {
            let what = format!("one key too many, expected at most {MAX_KEYS}");
            return Err(at_line(what, "remove keys that no edge encrypts with any longer"));
        }
        secrets.push(secret);
        lines.push(number);
    }
    TicketSecrets::new(secrets).ok_or_else(|| fault(" contains no key".to_owned(), create()))
}

/// Parses one key. The error describes what was found and does not quote it.
fn parse_secret(line: &[u8]) -> Result<Zeroizing<[u8; SECRET_BYTES]>, String> {
    let bytes =
        STANDARD.decode(line).map_err(|_| format!("{} characters that are not base64", line.len()))?;
    let bytes = Zeroizing::new(bytes);
    let secret: &[u8; SECRET_BYTES] =
        bytes.as_slice().try_into().map_err(|_| format!("{} bytes", bytes.len()))?;
    if secret.iter().all(|byte| *byte == 0) {
        return Err(format!("{SECRET_BYTES} bytes that are all zero"));
    }
    Ok(Zeroizing::new(*secret))
}

#[cfg(test)]
mod tests;
