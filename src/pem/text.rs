//! Text files: other formats and encodings are reported before the search for sections.

use super::{
    der,
    fault::Fault,
    kind::Wanted,
    scan::{self, Section},
};
use crate::text::encoding;

/// Signatures of other formats: name, and how to convert each.
const FORMATS: &[(&[u8], &str, &str)] = &[
    (
        &[0xfe, 0xed, 0xfe, 0xed],
        "a Java keystore",
        "run: keytool -exportcert -rfc -keystore {file} -alias ALIAS -file {new}",
    ),
    (
        &[0xce, 0xce, 0xce, 0xce],
        "a Java keystore",
        "run: keytool -exportcert -rfc -keystore {file} -alias ALIAS -file {new}",
    ),
    (
        b"PuTTY-User-Key-File",
        "a PuTTY private key",
        "run: puttygen {file} -O private-openssh -o {new}, then: ssh-keygen -p -N '' -m PKCS8 -f {new}",
    ),
    (b"ssh-", "an OpenSSH public key", "use a PEM file"),
    (&[0x1f, 0x8b], "compressed by gzip", "run: gunzip"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it"),
];

/// The sections of a PEM file.
pub(super) fn sections_of(file: &[u8], wanted: Wanted) -> Result<Vec<Section>, Fault> {
    let text = encoding::strip_bom(file);
    if text.is_empty() {
        let is_key = wanted == Wanted::Key;
        return Err(if is_key { Fault::missing(wanted) } else { Fault::of_file("is empty") });
    }
    if let Some(fault) = other_encoding(text) {
        return Err(fault);
    }
    if der::is_der(text) {
        return Err(match der::kind_of_file(text) {
            Some(kind) if text.len() < file.len() && kind == *wanted.kind() => {
                let what = "has a byte order mark before its DER, expected DER alone";
                Fault::of_file(what).help("run: tail -c +4 {file} > {new}")
            }
            Some(kind) => Fault::unexpected(wanted, &kind, None),
            None => {
                der::check(text, wanted, None, wanted.kind()).err().unwrap_or_else(|| Fault::missing(wanted))
            }
        });
    }
    for (magic, name, help) in FORMATS {
        if text.starts_with(magic) {
            return Err(Fault::of_file(format!("is {name}, expected {wanted}")).help(help));
        }
    }
    let sections = scan::sections(text)?;
    match text.trim_ascii_start().first() {
        _ if !sections.is_empty() => Ok(sections),
        Some(b'{') => Err(Fault::of_file(format!("is JSON, expected {wanted}"))
            .help("convert it to PEM: JWK and JSON files are not supported")),
        Some(b'<') => Err(Fault::of_file(format!("is an HTML or XML document, expected {wanted}"))),
        Some(_) if is_bare_base64(text) => {
            Err(Fault::of_file(format!("is base64 without its boundary lines, expected {wanted}"))
                .help("add the BEGIN line before it and the END line after it"))
        }
        _ => Err(Fault::missing(wanted)),
    }
}

/// An error for UTF-16, UTF-32 and binary data.
fn other_encoding(text: &[u8]) -> Option<Fault> {
    if der::is_der(text) {
        return None;
    }
    let line = |at: usize| text.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    if let Some(wide) = encoding::wide(text) {
        let what = format!("found {}, expected a file in ASCII or UTF-8", wide.name);
        return Some(Fault::at(line(wide.at), what).help(wide.fix));
    }
    let is_known = FORMATS.iter().any(|(magic, ..)| text.starts_with(magic));
    let nul = text.iter().position(|byte| *byte == 0).filter(|_| !is_known)?;
    Some(Fault::at(line(nul), "found a NUL byte, expected text"))
}

fn is_bare_base64(text: &[u8]) -> bool {
    text.starts_with(b"MII")
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=\r\n \t".contains(byte))
}
