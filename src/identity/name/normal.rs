//! The form in which two attribute values are the same, RFC 5280 section 7.1.

use unicode_normalization::UnicodeNormalization;

use super::value::Value;

/// A value as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Normal {
    /// A string, whatever its ASN.1 type: prepared as by RFC 4518, near enough for what certificates hold.
    Text(Box<str>),
    /// Anything else: its DER.
    Der(Box<[u8]>),
}

impl Normal {
    /// The form of `value`.
    pub(super) fn of(value: &Value) -> Self {
        match value.text() {
            Some(text) => Self::Text(fold(text).into()),
            None => Self::Der(value.der().into()),
        }
    }
}

/// Case and compatibility forms folded, outer blanks removed, inner ones folded to one.
fn fold(text: &str) -> String {
    // Lower case can undo a normal form, so it is taken twice.
    let lower: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    let mut folded = String::with_capacity(lower.len());
    for word in lower.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_blanks_and_compatibility_forms_fold() {
        assert_eq!(fold("  Example \t  BANK "), "example bank");
        assert_eq!(fold("M\u{dc}LLER"), fold("mu\u{308}ller"));
        assert_eq!(fold("\u{ff21}\u{a0}b"), "a b");
        assert_ne!(fold("ab"), fold("a b"));
        assert_eq!(fold(" "), "");
    }
}
