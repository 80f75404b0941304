//! When two header names are one name to some upstream.
//!
//! HTTP compares names without case (RFC 9110 section 5.1). CGI and what follows it turn `-` into `_`
//! (RFC 3875 section 4.1.18), and some servers do the same to `.` and to other characters. So a byte that is
//! neither letter nor digit equals any other such byte.

use std::cmp::Ordering;

/// What every byte that is neither letter nor digit folds to.
const PUNCTUATION: u8 = b'-';

/// One byte of a folded name.
#[must_use]
pub const fn fold_byte(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { PUNCTUATION }
}

/// The folded form of a name, for keeping. Comparing needs no copy: see [`compare`] and [`strip_prefix`].
#[must_use]
pub fn fold(name: &str) -> Box<[u8]> {
    name.bytes().map(fold_byte).collect()
}

/// Orders a folded name against one that is folded on the way.
#[must_use]
pub fn compare(folded: &[u8], name: &str) -> Ordering {
    folded.iter().copied().cmp(name.bytes().map(fold_byte))
}

/// What follows a folded prefix in a name that is folded on the way.
#[must_use]
pub fn strip_prefix<'n>(name: &'n str, folded_prefix: &[u8]) -> Option<&'n [u8]> {
    let (head, rest) = name.as_bytes().split_at_checked(folded_prefix.len())?;
    head.iter().zip(folded_prefix).all(|(byte, folded)| fold_byte(*byte) == *folded).then_some(rest)
}

/// Whether two names are one name to some upstream.
#[must_use]
pub fn are_equivalent(one: &str, other: &str) -> bool {
    one.bytes().map(fold_byte).eq(other.bytes().map(fold_byte))
}
