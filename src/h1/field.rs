//! A header field beside the map of a request.

use http::{HeaderName, HeaderValue, header::HeaderMap};

/// A field that is not in a request's map, which has none of its name. Its line is copied from where it is, which costs less than an insertion
/// and than to put it together.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    name: &'a HeaderName,
    line: &'a [u8],
    value: &'a [u8],
}

impl<'a> Field<'a> {
    /// A field with this line, as HTTP/1.1 writes it: the name, `": "`, a value, and CRLF. None if it is not one, or has other bytes than
    /// visible ASCII and blanks.
    #[must_use]
    pub fn new<const LENGTH: usize>(name: &'a HeaderName, line: &'a [u8; LENGTH]) -> Option<Self> {
        let text = line.strip_suffix(b"\r\n")?;
        let value = text.strip_prefix(name.as_str().as_bytes())?.strip_prefix(b": ")?;
        // Without an early end, and of a known length, so that the compiler looks at 32 bytes at a time.
        let others = line.iter().fold(0, |others, byte| others + u8::from(!matches!(byte, b' '..=b'~')));
        // CR and LF.
        (others == 2).then_some(Self { name, line, value })
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
