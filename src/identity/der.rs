//! A strict DER parser (X.690 section 10): shortest lengths, low tag numbers, no trailing data.
//!
//! `None` means malformed; callers turn it into an error that names the field.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;

/// A context-specific tag of a primitive type.
pub(crate) const fn context(number: u8) -> u8 {
    0x80 | number
}

/// A context-specific tag of a constructed type.
pub(crate) const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// A tag-length-value element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    /// The whole element, with tag and length.
    pub(crate) whole: &'a [u8],
}

/// A cursor over DER.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Parses the next element of any type.
    pub(crate) fn element(&mut self) -> Option<Element<'a>> {
        let (tag, rest) = self.0.split_first()?;
        // High tag numbers (31 and above) do not occur in X.509.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if !(1..=4).contains(&count) {
                return None;
            }
            let (bytes, rest) = rest.split_at_checked(count)?;
            let length = bytes.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
            let is_shortest = length >= 0x80 && bytes.first() != Some(&0);
            if !is_shortest {
                return None;
            }
            (length, rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len() - rest.len())?;
        self.0 = rest;
        Some(Element { tag: *tag, content, whole })
    }

    /// Parses the next element, which must have this tag, and returns its content.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.take_element(tag).map(|element| element.content)
    }

    /// Parses the next element, which must have this tag.
    pub(crate) fn take_element(&mut self, tag: u8) -> Option<Element<'a>> {
        self.element().filter(|element| element.tag == tag)
    }

    /// Parses an optional element and returns its content; `Some(None)` if it is absent.
    #[allow(clippy::option_option, reason = "malformed, absent and present are three things")]
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        if self.peek() == Some(tag) { self.take(tag).map(Some) } else { Some(None) }
    }

    /// Parses an optional BOOLEAN with the default FALSE. An encoded default is accepted, since many tools write it although DER
    /// forbids it.
    pub(crate) fn optional_boolean(&mut self) -> Option<bool> {
        match self.optional(BOOLEAN)? {
            None | Some([0]) => Some(false),
            Some([0xff]) => Some(true),
            Some(_) => None,
        }
    }

    /// Requires that everything was parsed.
    pub(crate) fn end(self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

/// The content of `bytes`, which must be exactly one element with this tag.
pub(crate) fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut der = Der::new(bytes);
    let content = der.take(tag)?;
    der.end().map(|()| content)
}

/// The value of a non-negative INTEGER's content.
pub(crate) fn unsigned(content: &[u8]) -> Option<u32> {
    let magnitude = match content {
        [0] => return Some(0),
        [0, rest @ ..] if rest.first().is_some_and(|first| first & 0x80 != 0) => rest,
        [first, ..] if *first != 0 && first & 0x80 == 0 => content,
        _ => return None,
    };
    if magnitude.len() > 4 {
        return None;
    }
    Some(magnitude.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
}

/// The bytes of a BIT STRING's content without unused bits.
pub(crate) fn bytes_of_bits(content: &[u8]) -> Option<&[u8]> {
    content.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bytes)| bytes)
}

/// A BIT STRING's content as up to 16 named bits, the first one highest.
pub(crate) fn named_bits(content: &[u8]) -> Option<u16> {
    let (unused, bytes) = content.split_first()?;
    match bytes.last() {
        None if *unused == 0 => {}
        Some(last) if *unused < 8 && last.trailing_zeros() >= u32::from(*unused) => {}
        _ => return None,
    }
    let byte = |at: usize| u16::from(bytes.get(at).copied().unwrap_or(0));
    Some((byte(0) << 8) | byte(1))
}

/// An object identifier's content in dotted form, or in hexadecimal if it is malformed; cut after 32 bytes.
pub(crate) fn dotted(content: &[u8]) -> String {
    let (content, end) = content
        .get(..32)
        .map_or((content, ""), |beginning| (beginning, if content.len() > 32 { "\u{2026}" } else { "" }));
    let text = super::name::dotted(content)
        .unwrap_or_else(|| content.iter().fold("malformed ".to_owned(), |text, b| format!("{text}{b:02x}")));
    text + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shortest_length_is_read() {
        for (bytes, content) in [
            (&[0x04, 0x01, 7][..], Some(&[7][..])),
            (&[0x04, 0x81, 0x01, 7], None),
            (&[0x04, 0x82, 0x00, 0x01, 7], None),
            (&[0x04, 0x80, 7, 0, 0], None),
            (&[0x04, 0x01], None),
            (&[0x04, 0x01, 7, 8], None),
            (&[0x1f, 0x81, 0x01, 0x00], None),
            (&[0x04, 0x85, 0, 0, 0, 0, 1, 7], None),
            (&[], None),
        ] {
            assert_eq!(only(bytes, OCTET_STRING), content, "{bytes:02x?}");
        }
        let mut long = vec![0x04, 0x81, 0x80];
        long.extend([7; 128]);
        assert_eq!(only(&long, OCTET_STRING).map(<[u8]>::len), Some(128));
    }

    #[test]
    fn numbers_are_minimal_and_not_negative() {
        for (content, number) in [
            (&[0][..], Some(0)),
            (&[127], Some(127)),
            (&[0, 128], Some(128)),
            (&[0, 255, 255, 255, 255], Some(u32::MAX)),
            (&[0, 127], None),
            (&[128], None),
            (&[1, 0, 0, 0, 0], None),
            (&[], None),
        ] {
            assert_eq!(unsigned(content), number, "{content:02x?}");
        }
    }

    #[test]
    fn named_bits_have_zero_padding() {
        assert_eq!(named_bits(&[5, 0b1010_0000]), Some(0b1010_0000_0000_0000));
        assert_eq!(named_bits(&[7, 0, 0x80]), Some(0x0080));
        assert_eq!(named_bits(&[0]), Some(0));
        for bad in [&[][..], &[1], &[8, 0], &[1, 1]] {
            assert_eq!(named_bits(bad), None, "{bad:02x?}");
        }
    }
}
