//! A header field beside the map of a request.

use http::{HeaderName, HeaderValue, header::HeaderMap};

/// A field that replaces those of its name in a request's map. Its line is copied from where it is, which costs less than an insertion and
/// than to put it together.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    name: &'a HeaderName,
    line: &'a [u8],
    value: &'a [u8],
}

impl<'a> Field<'a> {
    /// A field with this line, as HTTP/1.1 writes it: the name, `": "`, a value, and CRLF. None if it is not one, or the value is not visible
    /// ASCII.
    #[must_use]
    pub fn new(name: &'a HeaderName, line: &'a [u8]) -> Option<Self> {
        let value =
            line.strip_prefix(name.as_str().as_bytes())?.strip_prefix(b": ")?.strip_suffix(b"\r\n")?;
        // Without an early end, which would keep the compiler from looking at 32 bytes at a time.
        let is_visible = value.iter().fold(true, |all, byte| all & byte.is_ascii_graphic());
        is_visible.then_some(Self { name, line, value })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'a HeaderName {
        self.name
    }

    pub(super) const fn line(&self) -> &'a [u8] {
        self.line
    }

    /// Inserts it into a map, for a protocol that writes nothing else.
    pub fn insert_into(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_bytes(self.value) {
            headers.insert(self.name, value);
        }
    }
}
