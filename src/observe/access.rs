//! The access log: one line per request, in the same formats as the other log lines.
//!
//! These lines do not pass through tracing's formatter, which took a quarter of the CPU of a request. Tracing's filter
//! still decides, by their target and level, whether they are written.

mod template;
mod terminal;

use std::{
    cell::RefCell,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{escape, log};
use crate::{
    clock::Timestamp,
    observe::log::LogFormat,
    text::{SHORT, SHOWN, bounded},
};

const TARGET: &str = "mtls_edge::access";

/// The value of a field. Text is cut to [`SHOWN`] bytes as written, a word to [`SHORT`], escapes included, so that no line exceeds
/// 3 KiB, whatever a peer sends: a write to a pipe is not divided up to 4 KiB (`PIPE_BUF`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// Text that needs no escape: a name, an address, a method.
    Token(&'a str),
    /// Text that may need escapes.
    Text(&'a str),
    /// Short text that may need escapes: a name, or a list of names.
    Word(&'a str),
    /// A number.
    Number(u64),
    /// A number as it is written.
    Decimal(&'a str),
    /// True or false.
    Flag(bool),
}

/// A field's name and value; without a value it is left out.
pub(crate) type Field<'a> = (&'static str, Option<Value<'a>>);

/// A field's name, and its value as lines have it.
type WrittenField = (&'static str, Box<[u8]>);

/// Fields that are the same in many lines, such as those of one connection, in the format of the log.
#[derive(Debug)]
pub(crate) struct Fragment {
    written: Box<[u8]>,
    /// The value of each field, if lines have the operator's own format.
    values: Box<[WrittenField]>,
}

impl Fragment {
    /// Formats these fields.
    pub(crate) fn of(fields: &[Field<'_>]) -> Self {
        Self::in_format(fields, log::format(), log::access_format().is_some())
    }

    /// Formats these fields, for lines of the log or for those of the operator's own format.
    fn in_format(fields: &[Field<'_>], format: LogFormat, is_own: bool) -> Self {
        let mut written = Vec::new();
        if !is_own {
            write_fields(&mut written, fields, format);
            return Self { written: written.into(), values: Box::default() };
        }
        let values = fields.iter().filter_map(|(name, value)| {
            let mut written = Vec::new();
            template::value(&mut written, (*value)?, format);
            Some((*name, written.into()))
        });
        Self { written: Box::default(), values: values.collect() }
    }

    /// The value of a field in the operator's own format.
    fn value(&self, name: &str) -> Option<&[u8]> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }
}

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// The request was forwarded, or refused because of the request itself.
    Info,
    /// The request failed because of the upstream.
    Warn,
}

impl Level {
    /// Whether the log filter lets lines of this level through.
    #[must_use]
    pub(crate) fn is_on(self) -> bool {
        match self {
            Self::Info => tracing::enabled!(target: TARGET, tracing::Level::INFO),
            Self::Warn => tracing::enabled!(target: TARGET, tracing::Level::WARN),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
        }
    }
}

/// Writes one line: its own fields, then those of the fragments.
pub(crate) fn write(level: Level, fields: &[Field<'_>], fragments: [Option<&Fragment>; 2]) {
    if let Some(own) = log::access_format() {
        return log::line(|line, escapes| template::write(line, (own, escapes), level, fields, fragments));
    }
    log::line(|line, format| match format {
        LogFormat::Text if log::is_terminal() => terminal::write(line, log::has_colours(), fields),
        LogFormat::Text => text(line, (level, log::has_colours()), fields, fragments),
        LogFormat::Json => json(line, level, fields, fragments),
    });
}

fn text(
    line: &mut Vec<u8>,
    (level, has_colours): (Level, bool),
    fields: &[Field<'_>],
    fragments: [Option<&Fragment>; 2],
) {
    // The same colours as in lines that tracing formats.
    let [dim, of_level, end] = match (has_colours, level) {
        (false, _) => [""; 3],
        (true, Level::Info) => ["\x1b[2m", "\x1b[32m", "\x1b[0m"],
        (true, Level::Warn) => ["\x1b[2m", "\x1b[33m", "\x1b[0m"],
    };
    line.extend_from_slice(dim.as_bytes());
    now(line);
    for part in [end, " ", of_level, " ", level.name(), end, " ", dim, "mtls_edge::access:", end, " request"]
    {
        line.extend_from_slice(part.as_bytes());
    }
    write_fields(line, fields, LogFormat::Text);
    write_fragments(line, fragments);
    line.push(b'\n');
}

fn json(line: &mut Vec<u8>, level: Level, fields: &[Field<'_>], fragments: [Option<&Fragment>; 2]) {
    line.extend_from_slice(b"{\"timestamp\":\"");
    now(line);
    line.extend_from_slice(b"\",\"level\":\"");
    line.extend_from_slice(level.name().as_bytes());
    line.extend_from_slice(b"\",\"message\":\"request\"");
    write_fields(line, fields, LogFormat::Json);
    write_fragments(line, fragments);
    line.extend_from_slice(b",\"target\":\"mtls_edge::access\"}\n");
}

fn write_fragments(line: &mut Vec<u8>, fragments: [Option<&Fragment>; 2]) {
    for Fragment { written, .. } in fragments.into_iter().flatten() {
        line.extend_from_slice(written);
    }
}

/// Appends fields, each with a separator before it.
fn write_fields(line: &mut Vec<u8>, fields: &[Field<'_>], format: LogFormat) {
    match format {
        LogFormat::Text => write_as::<false>(line, fields),
        LogFormat::Json => write_as::<true>(line, fields),
    }
}

/// [`write_fields`] in one format, so that what stands around names and values is constant.
fn write_as<const JSON: bool>(line: &mut Vec<u8>, fields: &[Field<'_>]) {
    let format = if JSON { LogFormat::Json } else { LogFormat::Text };
    for (name, value) in fields {
        let Some(value) = *value else { continue };
        line.extend_from_slice(if JSON { b",\"" } else { b" " });
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(if JSON { b"\":" } else { b"=" });
        match value {
            Value::Token(token) => {
                let quote: &[u8] = if JSON { b"\"" } else { b"" };
                line.extend_from_slice(quote);
                line.extend_from_slice(bounded(token, SHOWN).as_bytes());
                line.extend_from_slice(quote);
            }
            Value::Text(text) => quoted(line, (text, SHOWN), format),
            Value::Word(text) => quoted(line, (text, SHORT), format),
            Value::Number(number) => decimal(line, number),
            Value::Decimal(digits) => line.extend_from_slice(digits.as_bytes()),
            Value::Flag(flag) => line.extend_from_slice(if flag { b"true" } else { b"false" }),
        }
    }
}

/// Whether a text needs no escape in either format, as most do.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.last_chunk() {
        // The last eight bytes overlap those before.
        Some(last) => bytes.as_chunks().0.iter().chain([last]).all(|eight| are_plain(*eight)),
        None => bytes.iter().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')),
    }
}

/// [`is_plain`] for eight bytes at once.
const fn are_plain(eight: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let word = u64::from_ne_bytes(eight);
    let (quotation_mark, backslash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    // A subtraction borrows into the high bit of each byte that is too small, an addition carries into that of each that is too large.
    let small = word.wrapping_sub(ONES * b' ' as u64) & !word;
    let large = word | word.wrapping_add(ONES);
    let marks = quotation_mark.wrapping_sub(ONES) & !quotation_mark;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    (small | large | marks | backslashes) & HIGH == 0
}

fn quoted(line: &mut Vec<u8>, (text, limit): (&str, usize), format: LogFormat) {
    line.push(b'"');
    if text.len() <= limit && is_plain(text) {
        line.extend_from_slice(text.as_bytes());
    } else {
        escaped(line, (text, limit), format, true);
    }
    line.push(b'"');
}

/// Appends at most `limit` bytes, and an ellipsis if the text was cut.
fn escaped(line: &mut Vec<u8>, (text, limit): (&str, usize), format: LogFormat, is_quoted: bool) {
    let bound = line.len() + limit;
    for c in text.chars() {
        let before = line.len();
        escape::push(line, c, format, is_quoted);
        if line.len() > bound {
            line.truncate(before);
            line.extend_from_slice("\u{2026}".as_bytes());
            return;
        }
    }
}

fn decimal(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

thread_local! {
    /// The second of the previous line, and its text, so that the date is not computed for each line.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// The current time of day in UTC.
fn clock_time() -> String {
    let mut time = Vec::new();
    now(&mut time);
    String::from_utf8_lossy(time.get(11..19).unwrap_or_default()).into_owned()
}

/// Appends the current time in UTC with microseconds (RFC 3339), as in lines that tracing formats.
pub(super) fn now(line: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|(second, shown)| {
        if *second != now.as_secs() || shown.is_empty() {
            *second = now.as_secs();
            *shown = Timestamp::from(UNIX_EPOCH + now).to_string();
            shown.truncate(shown.trim_end_matches('Z').len());
        }
        line.extend_from_slice(shown.as_bytes());
    });
    // Six digits with leading zeros: those of a million and more, without the first digit.
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(1_000_000 + now.subsec_micros());
    line.push(b'.');
    line.extend_from_slice(digits.as_bytes().get(1..).unwrap_or_default());
    line.push(b'Z');
}

#[cfg(test)]
mod tests;
