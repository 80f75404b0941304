//! Text from peers, made safe to display: bounded, and without invisible characters.

pub mod encoding;
pub mod hex;
pub mod suggest;

use std::{borrow::Cow, fmt::Write};

/// The maximum length in bytes of a text from a peer in the log: enough for every ordinary name.
pub const SHOWN: usize = 256;
/// The maximum length in bytes of a word from a peer in the log, such as a method.
pub const SHORT: usize = 64;

/// Whether a character is invisible or changes how the text around it is displayed: controls (Unicode category Cc), format
/// characters such as zero-width and bidirectional ones (Cf), line and paragraph separators (Zl, Zp), and the others that
/// Unicode defines as default-ignorable.
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    matches!(
        c as u32,
        0..=0x1f
            | 0x7f..=0x9f
            | 0xad
            | 0x34f
            | 0x600..=0x605
            | 0x61c
            | 0x6dd
            | 0x70f
            | 0x890..=0x891
            | 0x8e2
            | 0x115f..=0x1160
            | 0x17b4..=0x17b5
            | 0x180b..=0x180f
            | 0x200b..=0x200f
            | 0x2028..=0x202e
            | 0x2060..=0x206f
            | 0x3164
            | 0xfe00..=0xfe0f
            | 0xfeff
            | 0xffa0
            | 0xfff0..=0xfffb
            | 0x110bd
            | 0x110cd
            | 0x13430..=0x1343f
            | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a
            | 0xe0000..=0xe0fff
    )
}

/// A text for display, with its hidden characters escaped as in Rust: no peer's text passes for another line, or commands a terminal.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) {
            let _ = write!(escaped, "{}", c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// At most `bytes` bytes of a text, cut at a character boundary, with an ellipsis if it was cut.
#[must_use]
pub fn bounded(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    let mut cut = bytes;
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    Cow::Owned(format!("{}\u{2026}", text.get(..cut).unwrap_or_default()))
}

/// A text that a peer influences, for a log line: at most [`SHOWN`] bytes.
#[must_use]
pub fn shown(what: &impl ToString) -> String {
    bounded(&what.to_string(), SHOWN).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_boundary() {
        assert_eq!(bounded("abc", 3), "abc");
        assert_eq!(bounded("abcd", 3), "abc\u{2026}");
        assert_eq!(bounded("ab\u{e9}", 3), "ab\u{2026}");
        assert_eq!(bounded("\u{1f600}", 3), "\u{2026}");
        assert!(shown(&"\u{fdfa}".repeat(20_000)).len() <= SHOWN + 3);
    }

    #[test]
    fn hidden_characters_are_escaped() {
        assert!(matches!(visible("a \u{e9}"), Cow::Borrowed("a \u{e9}")));
        assert_eq!(visible("a\n\u{1b}[2J\u{202e}\u{e0041}"), "a\\n\\u{1b}[2J\\u{202e}\\u{e0041}");
    }

    #[test]
    fn invisible_characters_are_detected() {
        for c in "\0\n\u{7f}\u{85}\u{ad}\u{61c}\u{200b}\u{200d}\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}\u{fff9}\u{e0041}\u{3164}".chars() {
            assert!(is_hidden(c), "{c:?}");
        }
        for c in "a ~\u{a0}\u{e9}\u{627}\u{65e5}\u{1f600}\u{2010}\u{2027}\u{202f}\u{205f}".chars() {
            assert!(!is_hidden(c), "{c:?}");
        }
    }
}
