//! Labels that tools print before a name.

/// Known labels: openssl prints `subject=`, keytool `Owner:`, certutil and openssl `Subject:`, .NET `[Subject]`, LDIF `dn:`.
const LABELS: [&str; 10] = [
    "subject",
    "issuer",
    "owner",
    "subject name",
    "issuer name",
    "subject dn",
    "issuer dn",
    "distinguished name",
    "dn",
    "subject_dn",
];

/// Splits a text into a label with its delimiter, and the name; `None` without a known label.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let bare = text.strip_prefix('[').unwrap_or(text);
    let end = bare.find(|c: char| !(c.is_ascii_alphabetic() || c == ' ' || c == '_')).unwrap_or(bare.len());
    let word = bare.get(..end)?;
    if !LABELS.iter().any(|label| label.eq_ignore_ascii_case(word.trim())) {
        return None;
    }
    let delimiter = bare.get(end..)?;
    let rest = match (bare.len() == text.len(), delimiter.chars().next()?) {
        // `owner=` is an attribute (RFC 4519 section 2.22).
        (true, '=') if word.trim().eq_ignore_ascii_case("owner") => return None,
        (true, '=' | ':') | (false, ']') => delimiter.get(1..)?,
        _ => return None,
    };
    text.get(..text.len() - rest.len()).map(|label| (label, rest))
}
