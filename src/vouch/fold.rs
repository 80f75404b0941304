//! When two header names are one name to some upstream.
//!
//! HTTP compares names without case (RFC 9110 section 5.1). CGI and what follows it turn `-` into `_`
//! (RFC 3875 section 4.1.18), and some servers do the same to `.` and to other signs. So an octet that is
//! neither letter nor digit is taken as equal to any other such octet.

use std::cmp::Ordering;

/// What every octet that is neither letter nor digit folds to.
const SIGN: u8 = b'-';

/// One octet of a folded name.
pub(super) const fn fold_octet(octet: u8) -> u8 {
    if octet.is_ascii_alphanumeric() { octet.to_ascii_lowercase() } else { SIGN }
}

/// The folded form of a name, for keeping. Comparing needs no copy: see [`compare`] and [`strip_prefix`].
pub(super) fn fold(name: &str) -> Box<[u8]> {
    name.bytes().map(fold_octet).collect()
}

/// Orders a folded name against one that is folded on the way.
pub(super) fn compare(folded: &[u8], name: &str) -> Ordering {
    folded.iter().copied().cmp(name.bytes().map(fold_octet))
}

/// What follows a folded prefix in a name that is folded on the way.
pub(super) fn strip_prefix<'n>(name: &'n str, folded_prefix: &[u8]) -> Option<&'n [u8]> {
    let (head, rest) = name.as_bytes().split_at_checked(folded_prefix.len())?;
    head.iter().zip(folded_prefix).all(|(octet, folded)| fold_octet(*octet) == *folded).then_some(rest)
}
