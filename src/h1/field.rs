//! A header field beside the map of a request.

use http::{HeaderName, HeaderValue, header::HeaderMap};

/// A field that replaces those of its name in a request's map. It is written from where it is, which costs less than an insertion.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    name: &'a HeaderName,
    value: &'a [u8],
}

impl<'a> Field<'a> {
    /// A field with this value; none if that is not visible ASCII.
    #[must_use]
    pub fn new(name: &'a HeaderName, value: &'a [u8]) -> Option<Self> {
        // Without an early end, which would keep the compiler from looking at 32 bytes at a time.
        let is_visible = value.iter().fold(true, |all, byte| all & byte.is_ascii_graphic());
        is_visible.then_some(Self { name, value })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'a HeaderName {
        self.name
    }

    pub(super) const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// Inserts it into a map, for a protocol that writes nothing else.
    pub fn insert_into(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_bytes(self.value) {
            headers.insert(self.name, value);
        }
    }
}
