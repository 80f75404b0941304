//! The label that a tool prints before a name.

/// What may stand before a name: openssl prints `subject=`, keytool `Owner:`, certutil and openssl `Subject:`, .NET `[Subject]`,
/// LDIF `dn:`.
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

/// A label with the sign behind it, and the name that follows; nothing if there is none.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let bare = text.strip_prefix('[').unwrap_or(text);
    let end = bare.find(|c: char| !(c.is_ascii_alphabetic() || c == ' ' || c == '_')).unwrap_or(bare.len());
    let word = bare.get(..end)?;
    if !LABELS.iter().any(|label| label.eq_ignore_ascii_case(word.trim())) {
        return None;
    }
    let sign = bare.get(end..)?;
    let rest = match (bare.len() == text.len(), sign.chars().next()?) {
        (true, '=' | ':') | (false, ']') => sign.get(1..)?,
        _ => return None,
    };
    text.get(..text.len() - rest.len()).map(|label| (label, rest))
}
