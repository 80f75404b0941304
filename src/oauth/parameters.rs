//! The parameters of a request, parsed once, each with the one value that every server reads.
//!
//! The authorization server behind the edge may be written in anything, and each parser has its own tolerance. A request that the
//! edge and some common server could read differently is refused here, by the grammar of each part.

mod authorization;
mod content_type;
mod error;
mod escapes;
mod form;
mod json;
mod name;

pub use error::ParameterError;

use http::{HeaderMap, Method, request::Parts};

use content_type::{BodyKind, BodyType, Bytes, body_type};

/// The parameters that the edge reads: each may occur once in a place, under its exact name, and must have the same value in every
/// place. Names are lower-case ASCII letters and underscores. All other parameters are passed on unread, however often they occur.
#[derive(Clone, Copy, Debug)]
pub struct Interest<const N: usize> {
    names: [&'static str; N],
    /// A bit for each letter that a name begins with which may mean something.
    initials: u32,
}

/// One of the parameters of an [`Interest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    index: usize,
    name: &'static str,
}

impl<const N: usize> Interest<N> {
    /// Interest in these parameters.
    #[must_use]
    pub const fn new(names: [&'static str; N]) -> Self {
        let mut initials = name::INITIALS;
        let mut rest: &[&str] = &names;
        while let [name, behind @ ..] = rest {
            if let [first, ..] = name.as_bytes() {
                initials |= name::initial(*first);
            }
            rest = behind;
        }
        Self { names, initials }
    }

    /// The parameter that has exactly this name.
    fn exactly(&self, name: &[u8]) -> Option<Wanted> {
        let index = self.names.iter().position(|wanted| wanted.as_bytes() == name)?;
        self.names.get(index).map(|name| Wanted { index, name })
    }

    /// Whether a query has a parameter that overrides the request's method.
    #[must_use]
    pub fn overrides_method(&self, query: &str) -> bool {
        form::overrides_method(query, self)
    }
}

/// The values found in one place, in the order of the interest's names.
type Values<const N: usize> = [Option<String>; N];

/// Adds a value to those of its place, where it must be the only one (RFC 6749 section 3.2).
fn add<const N: usize>(values: &mut Values<N>, wanted: Wanted, value: String) -> Result<(), ParameterError> {
    match values.get_mut(wanted.index).map(|place| place.replace(value)) {
        Some(Some(_)) => Err(ParameterError::Repeated(wanted.name)),
        _ => Ok(()),
    }
}

/// The parameters of one request.
#[derive(Clone, Debug)]
pub struct Parameters<const N: usize> {
    names: [&'static str; N],
    values: Values<N>,
}

impl<const N: usize> Parameters<N> {
    /// Reads the parameters of interest from the body (a form or JSON), from HTTP Basic (form-decoded, RFC 6749 section 2.3.1) and
    /// from the query. On other methods than GET and HEAD a query gives no value, but may not contradict one, since servers may
    /// read it.
    ///
    /// Fails if a part can't be read strictly, or a parameter has two values.
    pub fn parse(head: &Parts, body: &[u8], interest: &Interest<N>) -> Result<Self, ParameterError> {
        let in_query = match head.uri.query() {
            Some(query) => form::values(query.as_bytes(), interest)?,
            None => [const { None }; N],
        };
        let in_header = authorization::values(&head.headers, interest)?;
        let mut values =
            if body.is_empty() { [const { None }; N] } else { in_body(&head.headers, body, interest)? };

        let query_counts = matches!(head.method, Method::GET | Method::HEAD);
        for (((value, in_header), in_query), name) in
            values.iter_mut().zip(in_header).zip(in_query).zip(interest.names)
        {
            for (other, counts) in [(in_header, true), (in_query, query_counts)] {
                match (&value, other) {
                    (Some(value), Some(other)) if *value != other => {
                        return Err(ParameterError::Differ(name));
                    }
                    (None, Some(other)) if counts => *value = Some(other),
                    _ => {}
                }
            }
        }
        Ok(Self { names: interest.names, values })
    }

    /// The value of a parameter of interest. One without a value is treated as if it were not sent (RFC 6749 section 3.1).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let index = self.names.iter().position(|wanted| *wanted == name)?;
        self.values.get(index)?.as_deref().filter(|value| !value.is_empty())
    }
}

fn in_body<const N: usize>(
    headers: &HeaderMap,
    body: &[u8],
    interest: &Interest<N>,
) -> Result<Values<N>, ParameterError> {
    let BodyType { kind, bytes } = body_type(headers)?;
    if bytes == Bytes::Ascii && !is_ascii(kind, body) {
        return Err(ParameterError::BodyCharset);
    }
    match kind {
        BodyKind::Json => json::values(body, interest),
        // Some servers look at the body, not at its type.
        BodyKind::Form if looks_like_json(body) => Err(ParameterError::NotForm),
        BodyKind::Form => form::values(body, interest),
    }
}

/// Whether a body is ASCII, once a form's escapes are decoded: any other byte is another character in each charset.
fn is_ascii(kind: BodyKind, body: &[u8]) -> bool {
    let is_escape = |three: &[u8]| matches!(three, [b'%', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', _]);
    body.is_ascii() && (kind == BodyKind::Json || !body.windows(3).any(is_escape))
}

/// Whether a body begins as JSON does, which some servers read whatever its type: with a bracket or a quotation mark, or a comment
/// before one, in UTF-8 or UTF-16 (Python detects it), after byte order marks and whitespace. No form's first name begins so.
fn looks_like_json(body: &[u8]) -> bool {
    let first = body.iter().find(|byte| !matches!(byte, 0..=b' ' | 0x7f | 0xef | 0xbb | 0xbf | 0xfe | 0xff));
    first.is_some_and(|first| b"{[(\"'/#<)".contains(first))
}

#[cfg(test)]
mod tests;
