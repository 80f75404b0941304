//! Splits the text of `applications.toml` into one part per `[[application]]`.
//!
//! The document tree of a TOML file takes ten times the memory of its text. Parsed part by part, a registry of any size
//! needs the memory of one application.

use std::ops::Range;

use toml_parser::{
    Source,
    lexer::{Token, TokenKind},
};

/// Returns the ranges of the parts, in order and without gaps. Each starts with a line `[[application]]`, except the first, which
/// contains everything before it.
///
/// Each part means the same as within the whole file. Such a line is not a header within a multi-line string, where it is skipped,
/// and is invalid TOML within an array.
pub(super) fn into_applications(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut headers = Headers { text, tokens: Source::new(text).lex() };
    let mut begin = Some(0);
    std::iter::from_fn(move || {
        let start = begin?;
        begin = headers.by_ref().find(|header| *header > start);
        Some(start..begin.unwrap_or(text.len()))
    })
}

/// The offsets of the lines that contain the header `[[application]]`.
struct Headers<'a, T> {
    text: &'a str,
    tokens: T,
}

impl<T: Iterator<Item = Token>> Iterator for Headers<'_, T> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        use TokenKind::{Atom, LeftSquareBracket, Newline, RightSquareBracket, Whitespace};
        const HEADER: [TokenKind; 5] =
            [LeftSquareBracket, LeftSquareBracket, Atom, RightSquareBracket, RightSquareBracket];
        let (mut begin, mut matched) = (0, Some(0));
        loop {
            let token = self.tokens.next()?;
            let span = token.span();
            match (token.kind(), matched) {
                (Newline, _) => (begin, matched) = (span.end(), Some(0)),
                (Whitespace, _) | (_, None) => {}
                (kind, Some(at)) => {
                    let is_application = || self.text.get(span.start()..span.end()) == Some("application");
                    let is_expected = HEADER.get(at) == Some(&kind) && (kind != Atom || is_application());
                    if is_expected && at + 1 == HEADER.len() {
                        return Some(begin);
                    }
                    matched = is_expected.then_some(at + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::de::DeTable;

    use super::into_applications;

    fn parts(text: &str) -> Vec<&str> {
        into_applications(text).map(|part| &text[part]).collect()
    }

    #[test]
    fn each_application_is_one_part() {
        for (text, wanted) in [
            ("", &[""][..]),
            ("# none\n", &["# none\n"]),
            (
                "[[application]]\na=1\n[[application]]\nb=1",
                &["[[application]]\na=1\n", "[[application]]\nb=1"],
            ),
            ("#\n [ [ application ]] # x\r\na=1\n", &["#\n", " [ [ application ]] # x\r\na=1\n"]),
            ("\u{feff}[[application]]\n", &["\u{feff}[[application]]\n"]),
            ("a = \"\"\"\n[[application]]\n\"\"\"\n", &["a = \"\"\"\n[[application]]\n\"\"\"\n"]),
            ("a = '''\n[[application]]\n'''\n", &["a = '''\n[[application]]\n'''\n"]),
            ("a = [[application]]\n", &["a = [[application]]\n"]),
            (
                "# [[application]]\n[[application.credential]]\n",
                &["# [[application]]\n[[application.credential]]\n"],
            ),
            ("[[applications]]\n[application]\n", &["[[applications]]\n[application]\n"]),
        ] {
            assert_eq!(parts(text), wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_split_registry_equals_the_whole(
            tokens in prop::collection::vec(prop::sample::select(vec![
                "[[application]]", "[[application.credential]]", "[ [application] ]", "[application.x]", "[other]", "\n", "\n", "\n",
                "\r\n", " ", "a = 1", "b = \"x\"", "c = [\n", "]", "d = {", "}", "\"\"\"", "'''", "# ", "e = '[[application]]'",
            ]), 0..24),
        ) {
            let text = tokens.concat();
            prop_assert_eq!(parts(&text).concat(), text.as_str());
            let count = |text: &str| DeTable::parse(text).ok().map(|table| {
                table.get_ref().get("application").and_then(|list| Some(list.get_ref().as_array()?.len())).unwrap_or(0)
            });
            if let Some(whole) = count(&text) {
                let each: Option<usize> = parts(&text).into_iter().map(count).sum();
                prop_assert_eq!(each, Some(whole));
            }
        }
    }
}
