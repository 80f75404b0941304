//! Splits text into sections: boundaries on separate lines, base64 between them, and arbitrary text around them.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{Secret, fault::Fault, kind::Kind};

/// A section.
pub(super) struct Section {
    pub(super) label: String,
    /// The line of its BEGIN boundary, from 1.
    pub(super) line: usize,
    /// The decoded body. An error does not matter if sections with this label are ignored.
    pub(super) der: Result<Secret, Fault>,
    /// Whether its header says that it is encrypted (RFC 1421 section 4.6.1.1).
    pub(super) is_encrypted: bool,
}

/// The sections, in order.
///
/// A boundary that shares its line, or that has no counterpart, and a body that is not base64 are errors, so that nothing is
/// ignored that another program reads as a section.
pub(super) fn sections(text: &[u8]) -> Result<Vec<Section>, Fault> {
    let mut sections = Vec::new();
    let mut open: Option<OpenSection<'_>> = None;
    let mut number = 0;
    for line in lines(text) {
        number += 1;
        let boundary = boundary(line).map_err(|what| Fault::at(number, what).help(BOUNDARIES))?;
        match (&mut open, boundary) {
            (None, None) => {}
            (None, Some(Boundary::Begin(label))) => {
                open = Some(OpenSection {
                    label,
                    line: number,
                    header: Header::default(),
                    empty: None,
                    body: Vec::new(),
                });
            }
            (None, Some(Boundary::End(label))) => {
                let what = format!("found the end of a section {label:?} without a BEGIN line");
                return Err(Fault::at(number, what).help(BOUNDARIES));
            }
            (Some(section), Some(Boundary::Begin(_))) => {
                let what = format!(
                    "found the beginning of another section, expected \"-----END {}-----\" for the section that begins on line {}",
                    section.label, section.line
                );
                return Err(Fault::at(number, what).help(BOUNDARIES));
            }
            (Some(section), Some(Boundary::End(label))) => {
                if label != section.label {
                    let what = format!(
                        "found the end of {label:?}, expected the end of {:?}, which begins on line {}",
                        section.label, section.line
                    );
                    return Err(Fault::at(number, what).help(BOUNDARIES));
                }
                section.check_no_empty_line()?;
                sections.extend(open.take().map(OpenSection::close));
            }
            (Some(section), None) => section.take(line, number)?,
        }
    }
    match open {
        None => Ok(sections),
        Some(open) => Err(Fault::of_file(format!(
            "is truncated: the section that begins on line {} has no \"-----END {}-----\" line",
            open.line, open.label
        ))),
    }
}

const BOUNDARIES: &str = "put each \"-----BEGIN ...-----\" and each \"-----END ...-----\" on its own line, in pairs with the same label";

/// Lines without their line ends (LF, CR LF, CR) and trailing whitespace.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    // CR CR LF, from a double conversion, is one line end.
    text.split(|byte| *byte == b'\n')
        .flat_map(|line| line.trim_ascii_end().split(|byte| *byte == b'\r'))
        .map(<[u8]>::trim_ascii_end)
}

enum Boundary<'a> {
    Begin(&'a str),
    End(&'a str),
}

const DASHES: &str = "-----";

/// The boundary on a line, if any; an error if it is misspelled or shares its line.
fn boundary(line: &[u8]) -> Result<Option<Boundary<'_>>, String> {
    // Concatenated files may each begin with a byte order mark.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let text = std::str::from_utf8(line).ok();
    let within = text.and_then(|text| text.strip_prefix(DASHES)?.strip_suffix(DASHES));
    if let Some(within) = within.filter(|within| is_label(within)) {
        if let Some(label) = within.strip_prefix("BEGIN ") {
            return Ok(Some(Boundary::Begin(label)));
        }
        if let Some(label) = within.strip_prefix("END ") {
            return Ok(Some(Boundary::End(label)));
        }
    }
    if is_almost_boundary(&String::from_utf8_lossy(line)) {
        return Err("found a BEGIN or END boundary with something else on its line, or misspelled".to_owned());
    }
    Ok(None)
}

/// Whether a text is a label (RFC 7468 section 3).
fn is_label(text: &str) -> bool {
    !text.contains("--")
        && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && !text.ends_with([' ', '-'])
}

/// Whether a line contains `-----BEGIN` or `-----END`, or a boundary with a typo or with the dashes of a word processor.
fn is_almost_boundary(line: &str) -> bool {
    let dash = |c: char| {
        matches!(c, '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
    };
    let line: String = line.chars().map(|c| if dash(c) { '-' } else { c.to_ascii_uppercase() }).collect();
    if line.contains("-----BEGIN") || line.contains("-----END") {
        return true;
    }
    let inner = line.trim_matches(|c: char| c == '-' || c.is_whitespace());
    let label = inner.strip_prefix("BEGIN ").or_else(|| inner.strip_prefix("END "));
    line.contains('-') && label.is_some_and(|label| !matches!(Kind::of_label(label.trim()), Kind::Other(_)))
}

/// A section whose END boundary has not been read.
struct OpenSection<'a> {
    label: &'a str,
    line: usize,
    header: Header,
    /// The number of a misplaced empty line.
    empty: Option<usize>,
    /// The lines of base64, each with its number.
    body: Vec<(usize, &'a [u8])>,
}

/// The header of a section (RFC 1421 section 4.6): fields, ended by an empty line.
#[derive(Default)]
struct Header {
    fields: usize,
    is_encrypted: bool,
    has_ended: bool,
}

impl<'a> OpenSection<'a> {
    /// Adds a line of the section.
    fn take(&mut self, line: &'a [u8], number: usize) -> Result<(), Fault> {
        let text = line.trim_ascii_start();
        if text.is_empty() {
            if self.header.has_ended || !self.body.is_empty() {
                // An error only if something follows; at the end of the file the section is truncated.
                self.empty.get_or_insert(number);
            }
            self.header.has_ended = true;
            return Ok(());
        }
        self.check_no_empty_line()?;
        if text.contains(&b':') && self.body.is_empty() && !self.header.has_ended {
            self.header.fields += 1;
            self.header.is_encrypted |=
                text.to_ascii_uppercase().starts_with(b"PROC-TYPE:") && text.ends_with(b"ENCRYPTED");
        } else {
            self.body.push((number, text));
        }
        Ok(())
    }

    /// An error if there was a misplaced empty line.
    fn check_no_empty_line(&self) -> Result<(), Fault> {
        let Some(empty) = self.empty else { return Ok(()) };
        let what = format!("found an empty line within the section that begins on line {}", self.line);
        Err(Fault::at(empty, what).help("remove empty lines between the boundaries"))
    }

    /// Completes the section at its END boundary.
    fn close(self) -> Section {
        let der = self.der();
        Section { label: self.label.to_owned(), line: self.line, der, is_encrypted: self.header.is_encrypted }
    }

    fn der(&self) -> Result<Secret, Fault> {
        if self.header.fields > 0 {
            return Err(Fault::at(self.line + 1, "found header lines within the section, expected base64"));
        }
        let Some((last, _)) = self.body.last() else {
            return Err(Fault::at(self.line, format!("found an empty section {:?}", self.label)));
        };
        let length = self.body.iter().map(|(_, line)| line.len()).sum();
        let mut base64 = Zeroizing::new(Vec::with_capacity(length));
        for (number, line) in &self.body {
            // Padding is only valid at the end of the body.
            let is_symbol = |byte: &u8| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'+' | b'/')
                    || (number == last && *byte == b'=')
            };
            if !line.iter().all(is_symbol) {
                return Err(Fault::at(*number, "found characters that are not base64").help(COPY_AGAIN));
            }
            base64.extend_from_slice(line);
        }
        let mut der = Zeroizing::new(vec![0; length / 4 * 3 + 3]);
        let Ok(decoded) = STANDARD.decode_slice(&*base64, &mut der) else {
            let what = "found truncated base64: its length or its padding is wrong";
            return Err(Fault::at(*last, what).help(COPY_AGAIN));
        };
        der.truncate(decoded);
        Ok(der)
    }
}

const COPY_AGAIN: &str = "copy the whole section again, unchanged";
