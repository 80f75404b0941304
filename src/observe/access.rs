//! The access log: a line a request, in the same forms as the other lines.
//!
//! Written by itself, since tracing's own way of it took more CPU than anything else that the edge does for a request.
//! Whether it is on is asked of tracing, by the target that the lines bear.

use std::{
    cell::RefCell,
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use super::log;
use crate::{config::settings::LogFormat, identity::rfc3339};

const TARGET: &str = "mtls_edge::access";

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// Nothing that needs an escape: a name, an address, a method.
    Token(&'a str),
    /// Anything.
    Text(&'a str),
    /// A number.
    Number(u64),
}

/// Whether lines are wanted.
#[must_use]
pub(crate) fn is_on() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::INFO)
}

/// Writes one line, without the fields that have no value.
pub(crate) fn write(fields: &[(&'static str, Option<Value<'_>>)]) {
    let fields = fields.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?)));
    log::line(|line, format| {
        // A vector takes all that is written.
        let _ = match format {
            LogFormat::Text => text(line, fields),
            LogFormat::Json => json(line, fields),
        };
    });
}

type Written = std::io::Result<()>;

fn text<'a>(line: &mut Vec<u8>, fields: impl Iterator<Item = (&'static str, &'a Value<'a>)>) -> Written {
    now(line);
    line.extend_from_slice(b"  INFO mtls_edge::access: request");
    for (name, value) in fields {
        line.push(b' ');
        line.extend_from_slice(name.as_bytes());
        line.push(b'=');
        match *value {
            Value::Token(token) => line.extend_from_slice(token.as_bytes()),
            Value::Text(text) if is_plain(text) => quoted(line, text),
            Value::Text(text) => write!(line, "{text:?}")?,
            Value::Number(number) => decimal(line, number),
        }
    }
    line.push(b'\n');
    Ok(())
}

fn json<'a>(line: &mut Vec<u8>, fields: impl Iterator<Item = (&'static str, &'a Value<'a>)>) -> Written {
    line.extend_from_slice(b"{\"timestamp\":\"");
    now(line);
    line.extend_from_slice(b"\",\"level\":\"INFO\",\"message\":\"request\"");
    for (name, value) in fields {
        line.extend_from_slice(b",\"");
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
        match *value {
            Value::Token(token) => quoted(line, token),
            Value::Text(text) if is_plain(text) => quoted(line, text),
            Value::Text(text) => serde_json::to_writer(&mut *line, text)?,
            Value::Number(number) => decimal(line, number),
        }
    }
    line.extend_from_slice(b",\"target\":\"mtls_edge::access\"}\n");
    Ok(())
}

/// Whether a text needs no escape in either form: nearly all that is logged.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\')
}

fn quoted(line: &mut Vec<u8>, plain: &str) {
    line.push(b'"');
    line.extend_from_slice(plain.as_bytes());
    line.push(b'"');
}

fn decimal(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

thread_local! {
    /// The second that was written last, and how: a calendar is not asked for each line.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// The time in UTC with microseconds (RFC 3339), as the other lines have it.
fn now(line: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|(second, shown)| {
        if *second != now.as_secs() || shown.is_empty() {
            *second = now.as_secs();
            *shown = rfc3339(i64::try_from(*second).unwrap_or(i64::MAX));
            shown.truncate(shown.trim_end_matches('Z').len());
        }
        line.extend_from_slice(shown.as_bytes());
    });
    // Six digits: those of a million and more, without its first.
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(1_000_000 + now.subsec_micros());
    line.push(b'.');
    line.extend_from_slice(digits.as_bytes().get(1..).unwrap_or_default());
    line.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [(&str, Value<'static>); 3] = [
        ("client", Value::Token("192.0.2.1")),
        ("path", Value::Text("/a\"\n\u{1b}")),
        ("status", Value::Number(200)),
    ];

    fn without_time(line: &[u8], start: usize) -> String {
        let text = String::from_utf8(line.to_vec()).unwrap();
        let time = &text[start..start + 27];
        let is_time = |(at, c): (usize, char)| match at {
            4 | 7 => c == '-',
            10 => c == 'T',
            13 | 16 => c == ':',
            19 => c == '.',
            26 => c == 'Z',
            _ => c.is_ascii_digit(),
        };
        assert!(time.chars().enumerate().all(is_time), "{time}");
        text.replace(time, "NOW")
    }

    #[test]
    fn nothing_that_a_client_sends_can_make_a_line_of_its_own() {
        let mut line = Vec::new();
        text(&mut line, FIELDS.iter().map(|(name, value)| (*name, value))).unwrap();
        assert_eq!(
            without_time(&line, 0),
            "NOW  INFO mtls_edge::access: request client=192.0.2.1 path=\"/a\\\"\\n\\u{1b}\" status=200\n"
        );
        line.clear();
        json(&mut line, FIELDS.iter().map(|(name, value)| (*name, value))).unwrap();
        assert_eq!(
            without_time(&line, 14),
            "{\"timestamp\":\"NOW\",\"level\":\"INFO\",\"message\":\"request\",\"client\":\"192.0.2.1\",\"path\":\"/a\\\"\\n\\u001b\",\"status\":200,\"target\":\"mtls_edge::access\"}\n"
        );
        assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
    }
}
