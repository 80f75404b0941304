//! Ticket keys out of a file, so that the edges of a fleet resume each other's sessions.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{
    config::{Problem, Spanned, file},
    text::encoding,
    tls::{SECRET_BYTES, TicketSecrets},
};

/// The most keys of a file: two are enough to rotate.
const MOST: usize = 8;
/// Nobody writes so much around 8 keys.
const LARGEST: u64 = 64 * 1024;

/// Reads a file with a key a line: 32 bytes in base64, as `openssl rand -base64 32` prints them. Lines that are empty or
/// begin with `#` say nothing.
pub(super) fn ticket_secrets(
    written: &Spanned<PathBuf>,
    problems: &mut Vec<Problem>,
) -> Option<TicketSecrets> {
    match read(written) {
        Ok(secrets) => Some(secrets),
        Err((what, help)) => {
            let what = format!("{}{what}", written.value.display());
            problems.push(Problem::error(&written.span, "domain.ticket_keys", what).help(help));
            None
        }
    }
}

type Fault = (String, String);

fn read(written: &Spanned<PathBuf>) -> Result<TicketSecrets, Fault> {
    let path = &written.value;
    let make = || format!("make one: (umask 077; openssl rand -base64 32 > {})", path.display());
    let loose = |mode: u32| {
        let what = format!(
            " can be read or written by others (mode {mode:03o}): anyone who has a key can impersonate any application"
        );
        (what, format!("make new keys, then: chmod 600 {}", path.display()))
    };
    let content = file::read_with_mode(path, LARGEST).map_err(|error| {
        if let Some(file::Loose { mode }) = file::Loose::of(&error) {
            return loose(*mode);
        }
        let (what, help) = file::unreadable(path, &error);
        (what, help.unwrap_or_else(make))
    })?;
    if content.mode & 0o007 != 0 {
        return Err(loose(content.mode));
    }
    if let Some(wide) = encoding::wide(&content.bytes) {
        let new = format!("{}.new", path.display());
        let fix = wide.fix.replace("{file}", &path.display().to_string()).replace("{new}", &new);
        return Err((format!(" is in {}, expected ASCII or UTF-8", wide.name), fix));
    }
    let bytes = encoding::strip_bom(&content.bytes);
    let mut secrets: Vec<Zeroizing<[u8; SECRET_BYTES]>> = Vec::new();
    let mut lines = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let (number, line) = (index + 1, line.trim_ascii());
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let secret = secret(line).map_err(|found| {
            let what = format!(", line {number}: found {found}, expected {SECRET_BYTES} bytes in base64");
            (what, "write a line for each key, as `openssl rand -base64 32` prints it".to_owned())
        })?;
        if let Some(first) =
            secrets.iter().zip(&lines).find(|(other, _)| **other == secret).map(|(_, line)| line)
        {
            let what = format!(", line {number}: found the key of line {first} a second time");
            return Err((what, "remove one of the two lines".to_owned()));
        }
        if secrets.len() == MOST {
            let what = format!(", line {number}: found a key too many, expected at most {MOST}");
            return Err((what, "remove keys that no edge encrypts with any longer".to_owned()));
        }
        secrets.push(secret);
        lines.push(number);
    }
    TicketSecrets::new(secrets).ok_or_else(|| (" holds no key".to_owned(), make()))
}

/// One key; or what was found instead, without a character of it.
fn secret(line: &[u8]) -> Result<Zeroizing<[u8; SECRET_BYTES]>, String> {
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
