//! The names that a client must not be able to set, and their removal.

mod shapes;

use std::{cmp::Ordering, fmt};

use http::{HeaderMap, HeaderName, header};

use shapes::Shapes;

use super::profile::{Profile, ReservedName};
use crate::header::{
    fold::{compare, fold, strip_prefix},
    reserved as names,
};

/// Every name that an upstream may believe because it thinks that a proxy wrote it.
///
/// Names are compared folded (case, and any sign for any other sign). What every built-in profile sends is
/// in it, whichever profile is in use: an upstream moved from one profile to another, or one that reads two,
/// must find no client's header. `Debug` leaves the names out: those of custom profiles and of upstreams'
/// secrets are secrets.
#[derive(Clone)]
pub struct Reserved {
    /// Folded names, sorted.
    exact: Vec<Box<[u8]>>,
    /// Folded beginnings of families.
    prefixes: Vec<Box<[u8]>>,
    /// Folded beginnings of families that end in a number.
    numbered: Vec<Box<[u8]>>,
    /// What may be among them, by a name's length and first bytes.
    shapes: Shapes,
    /// Folded names of which every other spelling is reserved, sorted.
    respelled: Vec<Box<[u8]>>,
    /// A bit for each length of those.
    respelled_lengths: u64,
}

impl Reserved {
    /// The names of these profiles and these others (such as the headers of upstreams), besides those
    /// that are always reserved: what any built-in profile sends, and what says where a request came from.
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

    /// The names that this profile sends, and no others.
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
        // Behind a beginning, the longer ones of the same family are next: without them one comparison decides.
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

    /// Whether a name, in whatever spelling, is reserved.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        if self.shapes.may_hold(text) && self.names(text) {
            return true;
        }
        self.respelled_lengths & length_bit(text.len()) != 0
            // Nearly every request has these two.
            && !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH)
            && is_respelled(text)
            && self.respelled.binary_search_by(|folded| compare(folded, text)).is_ok()
    }

    fn names(&self, name: &str) -> bool {
        // The last beginning that sorts before the name is the only one that it can have: no beginning has another.
        let after = self.prefixes.partition_point(|prefix| compare(prefix, name) != Ordering::Greater);
        let prefix = after.checked_sub(1).and_then(|before| self.prefixes.get(before));
        prefix.is_some_and(|prefix| strip_prefix(name, prefix).is_some())
            || self.exact.binary_search_by(|folded| compare(folded, name)).is_ok()
            || self.numbered.iter().any(|prefix| {
                strip_prefix(name, prefix)
                    .is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit))
            })
    }

    /// Removes every value of every reserved name, in every spelling. For headers and trailers alike.
    ///
    /// Allocates only where there is something to remove.
    pub fn remove_from(&self, headers: &mut HeaderMap) {
        let found: Vec<HeaderName> = headers.keys().filter(|name| self.contains(name)).cloned().collect();
        for name in found {
            headers.remove(name);
        }
    }
}

/// The lengths beyond have one bit together.
fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

/// Whether a name has a sign other than the hyphen, which is the only one in the names of HTTP.
fn is_respelled(name: &str) -> bool {
    name.bytes().any(|byte| byte != b'-' && !byte.is_ascii_alphanumeric())
}

impl fmt::Debug for Reserved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.exact.len() + self.prefixes.len() + self.numbered.len() + self.respelled.len();
        formatter.debug_struct("Reserved").field("names", &names).finish_non_exhaustive()
    }
}
