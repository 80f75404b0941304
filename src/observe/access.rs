//! The access log: one line per request, in the same formats as the other log lines.
//!
//! These lines do not pass through tracing's formatter, which took a quarter of the CPU of a request. Tracing's filter
//! still decides, by their target and level, whether they are written.

use std::{
    cell::RefCell,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{escape, log};
use crate::{
    clock::Timestamp,
    observe::log::LogFormat,
    text::{SHOWN, bounded},
};

const TARGET: &str = "mtls_edge::access";

/// The value of a field. Text is cut to [`SHOWN`] bytes as written, escapes included, so that no line exceeds 2 KiB,
/// whatever a peer sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// Text that needs no escape: a name, an address, a method.
    Token(&'a str),
    /// Text that may need escapes.
    Text(&'a str),
    /// A number.
    Number(u64),
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

/// Writes one line. Fields without a value are left out.
pub(crate) fn write(level: Level, fields: &[(&'static str, Option<Value<'_>>)]) {
    let fields = fields.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?)));
    log::line(|line, format| match format {
        LogFormat::Text => text(line, level, log::has_colours(), fields),
        LogFormat::Json => json(line, level, fields),
    });
}

fn text<'a>(
    line: &mut Vec<u8>,
    level: Level,
    has_colours: bool,
    fields: impl Iterator<Item = (&'static str, &'a Value<'a>)>,
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
    for (name, value) in fields {
        line.push(b' ');
        line.extend_from_slice(name.as_bytes());
        line.push(b'=');
        match *value {
            Value::Token(token) => line.extend_from_slice(bounded(token, SHOWN).as_bytes()),
            Value::Text(text) => quoted(line, text, LogFormat::Text),
            Value::Number(number) => decimal(line, number),
        }
    }
    line.push(b'\n');
}

fn json<'a>(line: &mut Vec<u8>, level: Level, fields: impl Iterator<Item = (&'static str, &'a Value<'a>)>) {
    line.extend_from_slice(b"{\"timestamp\":\"");
    now(line);
    line.extend_from_slice(b"\",\"level\":\"");
    line.extend_from_slice(level.name().as_bytes());
    line.extend_from_slice(b"\",\"message\":\"request\"");
    for (name, value) in fields {
        line.extend_from_slice(b",\"");
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
        match *value {
            Value::Token(token) => {
                line.push(b'"');
                line.extend_from_slice(bounded(token, SHOWN).as_bytes());
                line.push(b'"');
            }
            Value::Text(text) => quoted(line, text, LogFormat::Json),
            Value::Number(number) => decimal(line, number),
        }
    }
    line.extend_from_slice(b",\"target\":\"mtls_edge::access\"}\n");
}

/// Whether a text needs no escape in either format, as most do.
#[allow(
    clippy::needless_bitwise_bool,
    reason = "a branch per byte would keep the compiler from vectorizing the loop"
)]
fn is_plain(text: &str) -> bool {
    text.bytes()
        .fold(true, |plain, b| plain & (b.wrapping_sub(b' ') <= b'~' - b' ') & (b != b'"') & (b != b'\\'))
}

fn quoted(line: &mut Vec<u8>, text: &str, format: LogFormat) {
    line.push(b'"');
    if text.len() <= SHOWN && is_plain(text) {
        line.extend_from_slice(text.as_bytes());
    } else {
        escaped(line, text, format);
    }
    line.push(b'"');
}

/// Appends at most [`SHOWN`] bytes, and an ellipsis if the text was cut.
fn escaped(line: &mut Vec<u8>, text: &str, format: LogFormat) {
    let bound = line.len() + SHOWN;
    for c in text.chars() {
        let before = line.len();
        escape::push(line, c, format, true);
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

/// Appends the current time in UTC with microseconds (RFC 3339), as in lines that tracing formats.
fn now(line: &mut Vec<u8>) {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIELDS: [(&str, Value<'static>); 3] = [
        ("client", Value::Token("192.0.2.1")),
        ("path", Value::Text("/a\"\n\u{1b}")),
        ("status", Value::Number(200)),
    ];

    proptest! {
        #[test]
        fn plain_text_needs_no_escape(text in "[ -~]{0,20}|\\PC{0,9}|.{0,20}") {
            let is_plain_byte = |b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
            prop_assert_eq!(is_plain(&text), text.bytes().all(is_plain_byte));
        }
    }

    #[test]
    fn plain_bytes_are_found_at_every_position() {
        for byte in 0..=0x7f_u8 {
            let is_plain_byte = matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
            for at in 0..17 {
                let mut bytes = [b'a'; 17];
                bytes[at] = byte;
                assert_eq!(is_plain(std::str::from_utf8(&bytes).unwrap()), is_plain_byte, "{byte} at {at}");
            }
        }
        assert!(is_plain("") && !is_plain("a\u{e9}") && !is_plain("12345678\u{80}"));
    }

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
    fn no_client_input_starts_a_new_log_line() {
        let mut line = Vec::new();
        text(&mut line, Level::Info, false, FIELDS.iter().map(|(name, value)| (*name, value)));
        assert_eq!(
            without_time(&line, 0),
            "NOW  INFO mtls_edge::access: request client=192.0.2.1 path=\"/a\\\"\\n\\u{1b}\" status=200\n"
        );
        line.clear();
        json(&mut line, Level::Info, FIELDS.iter().map(|(name, value)| (*name, value)));
        assert_eq!(
            without_time(&line, 14),
            "{\"timestamp\":\"NOW\",\"level\":\"INFO\",\"message\":\"request\",\"client\":\"192.0.2.1\",\"path\":\"/a\\\"\\n\\u001b\",\"status\":200,\"target\":\"mtls_edge::access\"}\n"
        );
        assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
    }

    /// Text that grows when escaped, invisible characters, and long text.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,40}",
            "[\0-\u{1f}\"\\\\\u{7f}-\u{a0}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2066}-\u{2069}\u{feff}\u{e0041}a]{0,600}",
            "[\u{fdfa}\u{1f600}x]{200,2000}",
            Just("\0".repeat(60_000)),
            Just("\u{e0041}".repeat(5_000)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn no_line_is_longer_than_2_kib(
            texts in [hostile(), hostile(), hostile(), hostile(), hostile()],
            method in "[A-Z!#$%&'*+.^_`|~-]{0,3000}",
            domain in "[a-z.]{253}",
        ) {
            // The fields that `request::respond` writes, each at its maximum length.
            let [path, client_id, credential, subject, reason] = &texts;
            let fields = [
                ("request_id", Value::Token("0123456789abcdef0123456789abcdef")),
                ("client", Value::Token("2001:0db8:1111:2222:3333:4444:5555:6666")),
                ("domain", Value::Token(&domain)),
                ("method", Value::Text(&crate::text::bounded(&method, crate::text::SHORT))),
                ("path", Value::Text(path)),
                ("status", Value::Number(999)),
                ("milliseconds", Value::Number(u64::MAX)),
                ("client_id", Value::Text(client_id)),
                ("credential", Value::Text(&crate::text::bounded(credential, crate::text::SHORT))),
                ("thumbprint", Value::Token("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")),
                ("subject", Value::Text(subject)),
                ("reason", Value::Text(reason)),
            ];
            let fields = || fields.iter().map(|(name, value)| (*name, value));
            let mut line = Vec::new();
            text(&mut line, Level::Warn, false, fields());
            prop_assert!(line.len() <= 2048, "{}", line.len());
            let shown = std::str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap();
            prop_assert!(!shown.chars().any(crate::text::is_hidden), "{:?}", shown);
            line.clear();
            json(&mut line, Level::Warn, fields());
            prop_assert!(line.len() <= 2048, "{}", line.len());
            let shown = std::str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap();
            prop_assert!(!shown.chars().any(crate::text::is_hidden), "{:?}", shown);
            let object: serde_json::Value = serde_json::from_str(shown).unwrap();
            // Text within the limit reads back unchanged.
            for (name, text) in [("path", path), ("client_id", client_id), ("subject", subject)] {
                let read = object[name].as_str().unwrap();
                let whole = text.as_str() == read;
                let begins = read.strip_suffix('\u{2026}').is_some_and(|read| text.starts_with(read));
                prop_assert!(whole || begins, "{} {:?}", name, read);
                prop_assert!(whole || text.len() * 6 > SHOWN);
            }
        }
    }
}
