//! A reader of BER (X.690): keystores of some programs have indefinite lengths and strings in parts, which DER does not allow.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::{PbeError, Secret};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, primitive.
pub(super) const CONTEXT_0: u8 = 0x80;
/// `[0]`, constructed.
pub(super) const EXPLICIT_0: u8 = 0xa0;

/// The bit of a tag that says that the content consists of elements.
const CONSTRUCTED: u8 = 0x20;
/// The tag numbers that do not fit into one byte.
const LONG_TAG: u8 = 0x1f;
/// The end of a content of indefinite length.
const END: [u8; 2] = [0, 0];
/// The most levels of elements of indefinite length, and of parts of strings. Programs write up to ten.
const MAX_DEPTH: u8 = 16;

/// An element: its tag, its content, and both with the length.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    content: &'a [u8],
    pub(super) whole: &'a [u8],
}

/// Reads the elements of a content in their order.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(content: &'a [u8]) -> Self {
        Self(content)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element, which must be there.
    pub(super) fn next(&mut self) -> Result<Element<'a>, PbeError> {
        let (element, rest) = element(self.0, MAX_DEPTH).ok_or(PbeError::Malformed)?;
        self.0 = rest;
        Ok(element)
    }

    /// The next element if it has this tag.
    pub(super) fn next_if(&mut self, tag: u8) -> Result<Option<Element<'a>>, PbeError> {
        if self.0.first() == Some(&tag) { self.next().map(Some) } else { Ok(None) }
    }

    /// Checks that all elements have been read.
    pub(super) const fn finish(&self) -> Result<(), PbeError> {
        if self.is_empty() { Ok(()) } else { Err(PbeError::Malformed) }
    }
}

impl<'a> Element<'a> {
    /// The elements of an element with this tag.
    pub(super) fn reader(&self, tag: u8) -> Result<Reader<'a>, PbeError> {
        self.content(tag).map(Reader)
    }

    /// The content of an element with this tag.
    pub(super) fn content(&self, tag: u8) -> Result<&'a [u8], PbeError> {
        if self.tag == tag { Ok(self.content) } else { Err(PbeError::Malformed) }
    }

    /// The content of a string with this tag if it is primitive. A constructed one is joined from its parts.
    pub(super) fn octets(&self, primitive: u8) -> Result<Cow<'a, [u8]>, PbeError> {
        if self.tag == primitive {
            return Ok(Cow::Borrowed(self.content));
        }
        let mut joined = Zeroizing::new(Vec::with_capacity(self.content.len()));
        join(self.content(primitive | CONSTRUCTED)?, &mut joined, MAX_DEPTH)?;
        Ok(Cow::Owned(std::mem::take(&mut *joined)))
    }

    /// A number that is not negative.
    pub(super) fn number(&self) -> Result<u64, PbeError> {
        let bytes = self.content(INTEGER)?;
        let is_valid = bytes.first().is_some_and(|first| *first < 0x80) && bytes.len() <= 8;
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        // A number of more bytes is beyond every limit.
        if is_valid { Ok(number) } else { Err(PbeError::Malformed) }
    }
}

/// Appends the parts of a string.
fn join(content: &[u8], joined: &mut Secret, depth: u8) -> Result<(), PbeError> {
    let depth = depth.checked_sub(1).ok_or(PbeError::Malformed)?;
    let mut parts = Reader(content);
    while !parts.is_empty() {
        let part = parts.next()?;
        match part.tag {
            OCTET_STRING => joined.extend_from_slice(part.content),
            _ => join(part.content(OCTET_STRING | CONSTRUCTED)?, joined, depth)?,
        }
    }
    Ok(())
}

/// The first element, and the rest.
fn element(bytes: &[u8], depth: u8) -> Option<(Element<'_>, &[u8])> {
    let [tag, first, after_first @ ..] = bytes else { return None };
    if tag & LONG_TAG == LONG_TAG {
        return None;
    }
    let (content, rest) = match first {
        0x80 if tag & CONSTRUCTED != 0 => {
            let content = until_end(after_first, depth.checked_sub(1)?)?;
            (content, after_first.get(content.len() + END.len()..)?)
        }
        0..=0x7f => after_first.split_at_checked(usize::from(*first))?,
        0x81..=0x84 => {
            let (length, after) = after_first.split_at_checked(usize::from(first & 0x7f))?;
            let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
            after.split_at_checked(length)?
        }
        _ => return None,
    };
    let whole = bytes.get(..bytes.len() - rest.len())?;
    Some((Element { tag: *tag, content, whole }, rest))
}

/// The elements before the end of a content of indefinite length.
fn until_end(content: &[u8], depth: u8) -> Option<&[u8]> {
    let mut rest = content;
    while !rest.starts_with(&END) {
        rest = element(rest, depth)?.1;
    }
    content.get(..content.len() - rest.len())
}
