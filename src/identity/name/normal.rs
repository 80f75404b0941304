//! The normal form of attribute values, by which they are compared (RFC 5280 section 7.1).

use unicode_normalization::UnicodeNormalization;

use super::value::Value;

/// The normal form of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Normal {
    /// A string of any ASN.1 type, prepared approximately by RFC 4518.
    Text(Box<str>),
    /// The DER of any other value.
    Der(Box<[u8]>),
}

impl Normal {
    /// The normal form of `value`.
    pub(super) fn of(value: &Value) -> Self {
        match value.text() {
            Some(text) => {
                fold(text).map_or_else(|| Self::Der(value.der().into()), |text| Self::Text(text.into()))
            }
            None => Self::Der(value.der().into()),
        }
    }
}

/// The maximum growth of a text by normalization. U+FDFA becomes eighteen characters, but ordinary names have it at most once.
const GROWTH: usize = 4;

/// Folds case and compatibility forms, removes outer whitespace and collapses inner whitespace. `None` if the text grows too
/// much.
fn fold(text: &str) -> Option<String> {
    let lower = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        let bound = text.len() * GROWTH + 64;
        let mut lower = String::with_capacity(text.len());
        // Lower-casing can denormalize, so NFKC is applied twice.
        for c in text.nfkc().flat_map(char::to_lowercase).nfkc() {
            lower.push(c);
            if lower.len() > bound {
                return None;
            }
        }
        lower
    };
    let mut folded = String::with_capacity(lower.len());
    for word in lower.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    Some(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        fold(text).unwrap()
    }

    #[test]
    fn case_blanks_and_compatibility_forms_fold() {
        assert_eq!(folded("  Example \t  BANK "), "example bank");
        assert_eq!(folded("M\u{dc}LLER"), folded("mu\u{308}ller"));
        assert_eq!(folded("\u{ff21}\u{a0}b"), "a b");
        assert_ne!(folded("ab"), folded("a b"));
        assert_eq!(folded(" "), "");
        assert_eq!(folded("\u{fdfa}"), folded(&"\u{fdfa}".nfkc().collect::<String>()));
    }

    #[test]
    fn oversized_values_are_not_folded() {
        assert_eq!(fold(&"\u{fdfa}".repeat(1_000)), None);
        // The output is bounded even if the input is read completely.
        for text in ["\u{fb03}", "\u{3300}", "\u{1f82}", "\u{390}", "\u{130}", "\u{ac01}"] {
            let folded = fold(&text.repeat(300));
            assert!(folded.is_none_or(|folded| folded.len() <= text.len() * 300 * GROWTH + 64), "{text}");
        }
    }
}
