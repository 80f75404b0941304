//! Escapes for log lines: a character that would end a line, reorder it or be invisible is written as an escape.

use std::{borrow::Cow, io::Write};

use crate::{observe::log::LogFormat, text::is_hidden};

/// Appends a character of a quoted text (`is_quoted`), or of a line that tracing has formatted.
pub(super) fn push(line: &mut Vec<u8>, c: char, format: LogFormat, is_quoted: bool) {
    // Writing to a vector cannot fail.
    let _ = match (c, format) {
        ('"' | '\\', _) if is_quoted => write!(line, "\\{c}"),
        ('\n', _) => line.write_all(b"\\n"),
        ('\r', _) => line.write_all(b"\\r"),
        ('\t', _) => line.write_all(b"\\t"),
        (hidden, LogFormat::Text) if is_hidden(hidden) => write!(line, "{}", hidden.escape_unicode()),
        // RFC 8259 section 7: beyond the first plane, as a surrogate pair.
        (hidden, LogFormat::Json) if is_hidden(hidden) => {
            hidden.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(line, "\\u{unit:04x}"))
        }
        (visible, _) => line.write_all(visible.encode_utf8(&mut [0; 4]).as_bytes()),
    };
}

/// Escapes a whole line that tracing has formatted. With `has_colours`, the escape sequences of colours stay.
pub(super) fn line(line: &[u8], format: LogFormat, has_colours: bool) -> Cow<'_, [u8]> {
    let (body, end) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |body| (body, &b"\n"[..]));
    if body.iter().all(|b| matches!(b, b' '..=b'~') || (has_colours && *b == 0x1b)) {
        return Cow::Borrowed(line);
    }
    let mut escaped = Vec::with_capacity(line.len() + 64);
    for c in String::from_utf8_lossy(body).chars() {
        if has_colours && c == '\u{1b}' {
            escaped.push(0x1b);
        } else {
            push(&mut escaped, c, format, false);
        }
    }
    escaped.extend_from_slice(end);
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, format: LogFormat, has_colours: bool) -> String {
        String::from_utf8(line(text.as_bytes(), format, has_colours).into_owned()).unwrap()
    }

    #[test]
    fn invisible_characters_are_escaped_in_both_formats() {
        let raw = "a\u{7f}\u{85}\u{202e}\u{2028}\u{e0041}\u{200b}\u{e9}\n";
        assert_eq!(
            shown(raw, LogFormat::Text, false),
            "a\\u{7f}\\u{85}\\u{202e}\\u{2028}\\u{e0041}\\u{200b}\u{e9}\n"
        );
        let json = shown(&format!("{{\"a\":\"{}\"}}\n", raw.trim_end()), LogFormat::Json, false);
        assert!(!json.trim_end().chars().any(is_hidden), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["a"], "a\u{7f}\u{85}\u{202e}\u{2028}\u{e0041}\u{200b}\u{e9}");
    }

    #[test]
    fn a_line_stays_one_and_keeps_its_colours_on_a_terminal() {
        assert_eq!(shown("a\nb\r\n", LogFormat::Text, false), "a\\nb\\r\n");
        assert_eq!(shown("\u{1b}[2mx\u{1b}[0m\n", LogFormat::Text, true), "\u{1b}[2mx\u{1b}[0m\n");
        assert_eq!(shown("\u{1b}[2mx\n", LogFormat::Text, false), "\\u{1b}[2mx\n");
        assert!(matches!(line(b"plain \"text\"\n", LogFormat::Json, false), Cow::Borrowed(_)));
    }
}
