//! Folds characters as the most lenient server compares them: without case, accents, width and invisible characters.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::text::is_hidden;

/// The whole text, folded. ASCII keeps its length; anything else is at most eighteen times as long.
pub(super) fn folded(text: &str) -> String {
    if text.is_ascii() {
        let mut text = text.to_ascii_lowercase();
        if text.contains(['\\', '+']) {
            text = text.replace('\\', "/").replace('+', " ");
        }
        return text;
    }
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd() {
        if is_hidden(c) || is_combining_mark(c) {
            continue;
        }
        for lower in look_alike(c).to_lowercase() {
            match lower {
                '\u{df}' => folded.push_str("ss"),
                '\\' => folded.push('/'),
                '+' => folded.push(' '),
                other if is_combining_mark(other) => {}
                other => folded.push(other),
            }
        }
    }
    folded
}

/// The ASCII character by which Windows' best-fit tables, or a conversion to a legacy character set, replace one that has no
/// compatibility decomposition.
const fn look_alike(c: char) -> char {
    match c {
        '\u{a5}' | '\u{20a9}' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f5}' | '\u{29f8}'
        | '\u{29f9}' => '/',
        '\u{66a}' => '%',
        '\u{37e}' | '\u{61b}' => ';',
        '\u{589}' | '\u{2236}' => ':',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2500}' => '-',
        '\u{2017}' | '\u{2cd}' | '\u{331}' => '_',
        '\u{b7}' | '\u{2022}' | '\u{2219}' | '\u{3002}' => '.',
        '\u{110}' | '\u{111}' | '\u{189}' | '\u{d0}' | '\u{f0}' | '\u{3b4}' => 'd',
        '\u{126}' | '\u{127}' | '\u{4bb}' => 'h',
        '\u{131}' | '\u{197}' | '\u{268}' | '\u{3b9}' => 'i',
        '\u{141}' | '\u{142}' | '\u{19a}' => 'l',
        '\u{138}' | '\u{3ba}' => 'k',
        '\u{14a}' | '\u{14b}' => 'n',
        '\u{d8}' | '\u{f8}' | '\u{19f}' | '\u{275}' | '\u{3a9}' | '\u{3bf}' => 'o',
        '\u{166}' | '\u{167}' | '\u{1ab}' | '\u{1ae}' | '\u{398}' | '\u{3c4}' | '\u{fe}' | '\u{de}' => 't',
        '\u{180}' => 'b',
        '\u{1b6}' | '\u{1b5}' => 'z',
        '\u{1e4}' | '\u{1e5}' | '\u{261}' | '\u{393}' => 'g',
        '\u{3a3}' | '\u{3c3}' => 's',
        '\u{191}' | '\u{192}' | '\u{3a6}' | '\u{3c6}' => 'f',
        '\u{3b1}' => 'a',
        '\u{3b5}' => 'e',
        '\u{3c0}' => 'p',
        '\u{3c5}' | '\u{3bc}' => 'u',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_lookalikes_fold_to_ascii() {
        for text in [
            "token",
            "TOKEN",
            "to\u{212a}en",
            "\u{ff54}\u{ff4f}\u{ff4b}\u{ff45}\u{ff4e}",
            "t\u{f6}k\u{e9}\u{f1}",
            "to\u{301}ken",
            "to\u{200b}ken",
            "\u{167}oken",
            "\u{1d42d}oken",
            "\u{24e3}oken",
            "t\u{3bf}ken",
        ] {
            assert_eq!(folded(text), "token", "{text}");
        }
        assert_eq!(folded("u\u{17f}erinfo"), "userinfo");
        assert_eq!(folded("\u{130}\u{131}"), "ii");
        assert_eq!(folded("a\u{ff0f}b\u{ff3c}c\u{2215}d\\e"), "a/b/c/d/e");
        assert_eq!(folded("\u{2025}"), "..");
        assert_eq!(folded("\u{65e5}\u{672c}"), "\u{65e5}\u{672c}");
    }
}
