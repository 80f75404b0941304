//! Reserved header names, which a client must not set, and their removal.

mod shapes;

use std::{cmp::Ordering, fmt};

use http::{HeaderMap, HeaderName, header};

use shapes::Shapes;

use super::profile::{Profile, ReservedName};
use crate::header::{
    fold::{compare, fold, strip_prefix},
    reserved as names,
};

/// The header names that an upstream may trust because it expects a proxy to set them.
///
/// Names are compared folded (case, and punctuation). The headers of all built-in profiles are included, not only those in use:
/// an upstream that is moved from one profile to another, or that reads two, must not find a client's header. `Debug` omits
/// the names, since those of custom profiles and of an upstream's `headers` may be secret.
#[derive(Clone)]
pub struct Reserved {
    /// Folded names, sorted.
    exact: Vec<Box<[u8]>>,
    /// Folded prefixes of families.
    prefixes: Vec<Box<[u8]>>,
    /// Folded prefixes that a number follows.
    numbered: Vec<Box<[u8]>>,
    /// A filter for names that cannot be reserved, by their length and first bytes.
    shapes: Shapes,
    /// Folded names whose other spellings are reserved, sorted.
    respelled: Vec<Box<[u8]>>,
    /// A bit for each length in `respelled`.
    respelled_lengths: u64,
}

impl Reserved {
    /// The names that are always reserved, and those of these profiles and of `also` (such as the `headers` of upstreams).
    pub fn new<'a>(
        profiles: impl IntoIterator<Item = &'a Profile>,
        also: impl IntoIterator<Item = HeaderName>,
    ) -> Self {
        let all = |names: &[&str]| names.iter().map(|name| fold(name)).collect();
        let mut reserved = Self {
            exact: all(names::EXACT),
            prefixes: all(names::PREFIXES),
            respelled: all(names::RESPELLED),
            ..Self::empty()
        };
        Profile::all_built_in().for_each(|profile| reserved.add(&profile));
        profiles.into_iter().for_each(|profile| reserved.add(profile));
        reserved.exact.extend(also.into_iter().map(|name| fold(name.as_str())));
        reserved.sorted()
    }

    /// Only the names of this profile.
    #[must_use]
    pub fn of(profile: &Profile) -> Self {
        let mut reserved = Self::empty();
        reserved.add(profile);
        reserved.sorted()
    }

    fn empty() -> Self {
        Self {
            exact: Vec::new(),
            prefixes: Vec::new(),
            numbered: Vec::new(),
            shapes: Shapes::default(),
            respelled: Vec::new(),
            respelled_lengths: 0,
        }
    }

    fn sorted(mut self) -> Self {
        for list in [&mut self.exact, &mut self.prefixes, &mut self.numbered, &mut self.respelled] {
            list.sort_unstable();
            list.dedup();
        }
        // Longer prefixes of the same family follow a prefix. Without them a single comparison decides.
        self.prefixes.dedup_by(|longer, kept| longer.starts_with(kept));
        self.shapes = Shapes::of(&self.exact, &[&self.prefixes, &self.numbered]);
        self.respelled_lengths =
            self.respelled.iter().fold(0, |lengths, name| lengths | length_bit(name.len()));
        self
    }

    fn add(&mut self, profile: &Profile) {
        for name in profile.reserved() {
            match name {
                ReservedName::Exact(name) => self.exact.push(fold(name.as_str())),
                ReservedName::Numbered(prefix) => self.numbered.push(fold(prefix)),
            }
        }
    }

    /// Whether a name is reserved, in any spelling.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        if self.shapes.may_contain(text) && self.names(text) {
            return true;
        }
        self.respelled_lengths & length_bit(text.len()) != 0
            // Most requests have these two.
            && !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH)
            && is_respelled(text)
            && self.respelled.binary_search_by(|folded| compare(folded, text)).is_ok()
    }

    fn names(&self, name: &str) -> bool {
        // No prefix is a prefix of another, so only the last one that sorts before the name can match.
        let after = self.prefixes.partition_point(|prefix| compare(prefix, name) != Ordering::Greater);
        let prefix = after.checked_sub(1).and_then(|before| self.prefixes.get(before));
        prefix.is_some_and(|prefix| strip_prefix(name, prefix).is_some())
            || self.exact.binary_search_by(|folded| compare(folded, name)).is_ok()
            || self.numbered.iter().any(|prefix| {
                strip_prefix(name, prefix)
                    .is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit))
            })
    }

    /// Removes all values of all reserved names, in every spelling. Allocates only if there are any.
    pub fn remove_from(&self, headers: &mut HeaderMap) {
        let found: Vec<HeaderName> = headers.keys().filter(|name| self.contains(name)).cloned().collect();
        for name in found {
            headers.remove(name);
        }
    }
}

/// The bit of a length; all lengths from 63 on share one.
fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

/// Whether a name contains punctuation other than the hyphen, which the standard names do not.
fn is_respelled(name: &str) -> bool {
    name.bytes().any(|byte| byte != b'-' && !byte.is_ascii_alphanumeric())
}

impl fmt::Debug for Reserved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.exact.len() + self.prefixes.len() + self.numbered.len() + self.respelled.len();
        formatter.debug_struct("Reserved").field("names", &names).finish_non_exhaustive()
    }
}
