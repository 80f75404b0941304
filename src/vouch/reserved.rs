//! The names that a client must not be able to set, and their removal.

mod names;
mod shapes;

use std::fmt;

use http::{HeaderMap, HeaderName};

use shapes::Shapes;

use super::{
    fold::{compare, fold, strip_prefix},
    profile::{Profile, ReservedName},
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
    /// What may be among them, by a name's first octet and length.
    shapes: Shapes,
}

impl Reserved {
    /// The names of these profiles and these others (such as the headers of upstreams), besides those
    /// that are always reserved: what any built-in profile sends, and what says where a request came from.
    pub fn new<'a>(
        profiles: impl IntoIterator<Item = &'a Profile>,
        also: impl IntoIterator<Item = HeaderName>,
    ) -> Self {
        let mut reserved = Self {
            exact: names::EXACT.iter().map(|name| fold(name)).collect(),
            prefixes: names::PREFIXES.iter().map(|name| fold(name)).collect(),
            numbered: Vec::new(),
            shapes: Shapes::default(),
        };
        Profile::all_built_in().for_each(|profile| reserved.add(&profile));
        profiles.into_iter().for_each(|profile| reserved.add(profile));
        reserved.exact.extend(also.into_iter().map(|name| fold(name.as_str())));
        reserved.sorted()
    }

    /// The names that this profile sends, and no others.
    #[must_use]
    pub fn of(profile: &Profile) -> Self {
        let mut reserved =
            Self { exact: Vec::new(), prefixes: Vec::new(), numbered: Vec::new(), shapes: Shapes::default() };
        reserved.add(profile);
        reserved.sorted()
    }

    fn sorted(mut self) -> Self {
        for list in [&mut self.exact, &mut self.prefixes, &mut self.numbered] {
            list.sort_unstable();
            list.dedup();
        }
        self.shapes = Shapes::of(&self.exact, &[&self.prefixes, &self.numbered]);
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
        let name = name.as_str();
        if !self.shapes.may_hold(name) {
            return false;
        }
        self.exact.binary_search_by(|folded| compare(folded, name)).is_ok()
            || self.prefixes.iter().any(|prefix| strip_prefix(name, prefix).is_some())
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

impl fmt::Debug for Reserved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.exact.len() + self.prefixes.len() + self.numbered.len();
        formatter.debug_struct("Reserved").field("names", &names).finish_non_exhaustive()
    }
}
