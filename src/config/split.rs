//! Cuts a registry's text into pieces of one `[[application]]` each.
//!
//! The document tree of a TOML file takes ten times the memory of its text. Piece by piece, a registry of any size
//! takes that of one application.

use std::ops::Range;

use toml_parser::{
    Source,
    lexer::{Token, TokenKind},
};

/// The pieces, in order, without a gap. Each begins with `[[application]]` on a line of its own, but for the first, which
/// holds what stands before.
///
/// Each is TOML exactly as it is within the whole: where such a line is no header, within a string that goes over several
/// lines, it is passed over, and within an array it is no TOML.
pub(super) fn of(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut headers = Headers { text, tokens: Source::new(text).lex() };
    let mut begin = Some(0);
    std::iter::from_fn(move || {
        let start = begin?;
        begin = headers.by_ref().find(|header| *header > start);
        Some(start..begin.unwrap_or(text.len()))
    })
}

/// Where the lines begin that read `[[application]]`.
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
                    let named = || self.text.get(span.start()..span.end()) == Some("application");
                    let fits = HEADER.get(at) == Some(&kind) && (kind != Atom || named());
                    if fits && at + 1 == HEADER.len() {
                        return Some(begin);
                    }
                    matched = fits.then_some(at + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::de::DeTable;

    use super::of;

    fn pieces(text: &str) -> Vec<&str> {
        of(text).map(|piece| &text[piece]).collect()
    }

    #[test]
    fn each_application_is_a_piece() {
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
            assert_eq!(pieces(text), wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_split_registry_equals_the_whole(
            parts in prop::collection::vec(prop::sample::select(vec![
                "[[application]]", "[[application.credential]]", "[ [application] ]", "[application.x]", "[other]", "\n", "\n", "\n",
                "\r\n", " ", "a = 1", "b = \"x\"", "c = [\n", "]", "d = {", "}", "\"\"\"", "'''", "# ", "e = '[[application]]'",
            ]), 0..24),
        ) {
            let text = parts.concat();
            prop_assert_eq!(pieces(&text).concat(), text.as_str());
            let count = |text: &str| DeTable::parse(text).ok().map(|table| {
                table.get_ref().get("application").and_then(|list| Some(list.get_ref().as_array()?.len())).unwrap_or(0)
            });
            if let Some(whole) = count(&text) {
                let each: Option<usize> = pieces(&text).into_iter().map(count).sum();
                prop_assert_eq!(each, Some(whole));
            }
        }
    }
}
