//! The parameters of a request, parsed once, each with the value that every upstream reads.
//!
//! The authorization server may use any framework, and parsers differ in what they tolerate. A request that the edge and a
//! common server could read differently is refused, by the grammar of each part.

mod all;
mod authorization;
mod content_type;
mod error;
mod escapes;
mod form;
mod json;
mod name;

pub use all::all_parameters;
pub use error::ParameterError;

use http::{HeaderMap, Method, request::Parts};

use content_type::{BodyKind, BodyType, Bytes, body_type};

/// The parameters that the edge reads. Each may occur once per place, under its exact name, and must have the same value in all
/// places. Names consist of lower-case ASCII letters and underscores. Other parameters are ignored, even if they are repeated.
#[derive(Clone, Copy, Debug)]
pub struct Interest<const N: usize> {
    names: [&'static str; N],
    /// A bit for each first letter of the names that have a meaning.
    initials: u32,
}

/// A parameter of an [`Interest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    index: usize,
    name: &'static str,
}

impl<const N: usize> Interest<N> {
    /// An interest in these parameters.
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

    /// The parameter with exactly this name.
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

/// Whether a form or a query has a parameter of interest, or one that a lenient server takes for it.
#[must_use]
pub fn form_names<const N: usize>(form: &[u8], interest: &Interest<N>) -> bool {
    form::names(form, interest)
}

/// The values in one place, in the order of the interest's names.
type Values<const N: usize> = [Option<String>; N];

/// Adds a value to those of a place, where a parameter must not be repeated (RFC 6749 section 3.2).
fn add<const N: usize>(values: &mut Values<N>, wanted: Wanted, value: String) -> Result<(), ParameterError> {
    match values.get_mut(wanted.index).map(|place| place.replace(value)) {
        Some(Some(_)) => Err(ParameterError::Repeated(wanted.name)),
        _ => Ok(()),
    }
}

/// The parameters of one request. `Debug` shows no value, since some are secrets.
#[derive(Clone)]
pub struct Parameters<const N: usize> {
    names: [&'static str; N],
    values: Values<N>,
    places: [Places; N],
}

/// The places of a request that have a parameter with a value, also those from which it is not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The body.
    pub body: bool,
    /// HTTP Basic.
    pub basic: bool,
    /// The query.
    pub query: bool,
}

impl Places {
    /// Whether any place has a value.
    #[must_use]
    pub const fn is_anywhere(self) -> bool {
        self.body || self.basic || self.query
    }
}

impl<const N: usize> std::fmt::Debug for Parameters<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names.iter().zip(&self.places)).finish()
    }
}

impl<const N: usize> Parameters<N> {
    /// Parses the parameters of interest in the body (a form or JSON), in HTTP Basic (form-decoded, RFC 6749 section 2.3.1) and
    /// in the query. With other methods than GET and HEAD the query is not used, but must not contradict another place,
    /// since servers may read it.
    ///
    /// # Errors
    ///
    /// If a part violates its grammar, or a parameter has two values.
    pub fn parse(head: &Parts, body: &[u8], interest: &Interest<N>) -> Result<Self, ParameterError> {
        let in_query = match head.uri.query() {
            Some(query) => form::values(query.as_bytes(), interest)?,
            None => [const { None }; N],
        };
        let in_header = authorization::values(&head.headers, interest)?;
        let mut values =
            if body.is_empty() { [const { None }; N] } else { in_body(&head.headers, body, interest)? };

        let query_counts = matches!(head.method, Method::GET | Method::HEAD);
        let mut places = [Places::default(); N];
        let has_value = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
        for ((((value, in_header), in_query), name), places) in
            values.iter_mut().zip(in_header).zip(in_query).zip(interest.names).zip(&mut places)
        {
            *places =
                Places { body: has_value(value), basic: has_value(&in_header), query: has_value(&in_query) };
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
        Ok(Self { names: interest.names, values, places })
    }

    /// Where a parameter of interest has a value.
    #[must_use]
    pub fn places(&self, name: &str) -> Places {
        let index = self.names.iter().position(|wanted| *wanted == name);
        index.and_then(|index| self.places.get(index)).copied().unwrap_or_default()
    }

    /// The value of a parameter of interest. An empty value is treated as absent (RFC 6749 section 3.1).
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
        // Some servers detect the format from the body and ignore its type.
        BodyKind::Form if looks_like_json(body) => Err(ParameterError::NotForm),
        BodyKind::Form => form::values(body, interest),
    }
}

/// Whether a body is ASCII after decoding: the meaning of other bytes depends on the charset.
fn is_ascii(kind: BodyKind, body: &[u8]) -> bool {
    let is_escape = |three: &[u8]| matches!(three, [b'%', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', _]);
    body.is_ascii() && (kind == BodyKind::Json || !body.windows(3).any(is_escape))
}

/// Whether a body begins like JSON, which some servers read whatever its type: with a bracket, a quotation mark or a comment, in
/// UTF-8 or UTF-16 (which Python detects), after byte order marks and whitespace. The first name of a form does not begin so.
fn looks_like_json(body: &[u8]) -> bool {
    let first = body.iter().find(|byte| !matches!(byte, 0..=b' ' | 0x7f | 0xef | 0xbb | 0xbf | 0xfe | 0xff));
    first.is_some_and(|first| b"{[(\"'/#<)".contains(first))
}

#[cfg(test)]
mod tests;
