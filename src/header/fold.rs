//! Comparison of header names as the most lenient upstream compares them.
//!
//! HTTP ignores case (RFC 9110 section 5.1). CGI and its successors turn `-` into `_` (RFC 3875 section 4.1.18), and some
//! servers do the same to `.` and to other characters. Therefore all bytes that are not letters or digits compare equal.

use std::cmp::Ordering;

/// What every byte folds to that is not a letter or digit.
const PUNCTUATION: u8 = b'-';

/// Folds one byte of a name.
#[must_use]
pub const fn fold_byte(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { PUNCTUATION }
}

/// The folded form of a name, to store. [`compare`] and [`strip_prefix`] fold without a copy.
#[must_use]
pub fn fold(name: &str) -> Box<[u8]> {
    name.bytes().map(fold_byte).collect()
}

/// Compares a folded name with one that is not.
#[must_use]
pub fn compare(folded: &[u8], name: &str) -> Ordering {
    folded.iter().copied().cmp(name.bytes().map(fold_byte))
}

/// The rest of a name after a folded prefix.
#[must_use]
pub fn strip_prefix<'n>(name: &'n str, folded_prefix: &[u8]) -> Option<&'n [u8]> {
    let (head, rest) = name.as_bytes().split_at_checked(folded_prefix.len())?;
    head.iter().zip(folded_prefix).all(|(byte, folded)| fold_byte(*byte) == *folded).then_some(rest)
}

/// Whether some upstream may take two names as the same.
#[must_use]
pub fn are_equivalent(one: &str, other: &str) -> bool {
    one.bytes().map(fold_byte).eq(other.bytes().map(fold_byte))
}
