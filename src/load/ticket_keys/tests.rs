use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use super::*;
use crate::config::{Source, Span};

fn read(path: &Path) -> Result<TicketSecrets, String> {
    let place = Span { source: Arc::new(Source::empty()), range: 0..0 };
    let mut problems = Vec::new();
    let secrets = ticket_secrets(&Spanned { value: path.to_owned(), span: place }, &mut problems);
    let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
    secrets.ok_or(messages.join("\n").replace(&path.display().to_string(), "FILE"))
}

const A: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const B: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=";

#[test]
fn a_file_holds_one_key_per_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    for text in [format!("{A}\n{B}\n"), format!("# the one in use\r\n{A}\r\n\r\n  {B}")] {
        fs::write(&path, &text).unwrap();
        for mode in [0o600, 0o640, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let secrets = read(&path).unwrap();
            let secrets: Vec<&[u8]> = secrets.iter().map(<[u8; 32]>::as_slice).collect();
            assert_eq!(secrets, [b"01234567890123456789012345678901", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ123456"]);
        }
    }
    assert_eq!(format!("{:?}", read(&path).unwrap()), "TicketSecrets(2)");
}

#[test]
fn key_file_errors_do_not_leak_contents() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let create = "create one: (umask 077; openssl rand -base64 32 > FILE)";
    let line = "write one key per line, as `openssl rand -base64 32` prints it";
    let many =
        ["1", "2", "3", "4", "5", "6", "7", "8", "9"].map(|first| [first, &A[1..], "\n"].concat()).concat();
    for (text, what, help) in [
        (String::new(), " contains no key".to_owned(), create),
        ("# none yet\n\n".to_owned(), " contains no key".to_owned(), create),
        (
            format!("{A}\nhunter2!\n"),
            ", line 2: found 8 characters that are not base64, expected 32 bytes in base64".to_owned(),
            line,
        ),
        (
            format!("#\nx{}\n", &A[1..20]),
            ", line 2: found 15 bytes, expected 32 bytes in base64".to_owned(),
            line,
        ),
        (
            format!("{}=\n", "A".repeat(43)),
            ", line 1: found 32 bytes that are all zero, expected 32 bytes in base64".to_owned(),
            line,
        ),
        (
            format!("{A}\n{B}\n{A}\n"),
            ", line 3: found the key of line 1 a second time".to_owned(),
            "remove one of the two lines",
        ),
        (
            many,
            ", line 9: found one key too many, expected at most 8".to_owned(),
            "remove keys that no edge encrypts with any longer",
        ),
    ] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path).unwrap_err(), format!("edge.toml: domain.ticket_keys: FILE{what}; {help}"));
    }
    fs::write(&path, A).unwrap();
    for mode in [0o604, 0o602, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let expected = format!(
            "edge.toml: domain.ticket_keys: FILE can be read or written by others (mode {mode:o}): anyone who has a ticket key can impersonate any client; create new keys, then run: chmod o= FILE"
        );
        assert_eq!(read(&path).unwrap_err(), expected);
    }
    fs::remove_file(&path).unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.starts_with("edge.toml: domain.ticket_keys: FILE cannot be read: No such file"), "{error}");
}
