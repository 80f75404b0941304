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
        self.names.iter().find(|wanted| wanted.as_bytes() == name).map(|name| Wanted { name })
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

/// Whether a body with these headers is read alike by all servers: uncompressed, of one type, in a superset of ASCII.
///
/// # Errors
///
/// What is not.
pub fn check_body_headers(headers: &http::HeaderMap) -> Result<(), ParameterError> {
    content_type::body_type(headers).map(drop)
}

/// The parameters of interest in one place. A vector, since most requests have few of them.
type Values = Vec<Parameter>;

/// A parameter of interest.
#[derive(Clone)]
struct Parameter {
    name: &'static str,
    /// `None` if only places have it from which it is not used.
    value: Option<String>,
    places: Places,
}

/// Adds a value to those of a place, where a parameter must not be repeated (RFC 6749 section 3.2).
fn add(values: &mut Values, wanted: Wanted, value: String) -> Result<(), ParameterError> {
    if values.iter().any(|parameter| parameter.name == wanted.name) {
        return Err(ParameterError::Repeated(wanted.name));
    }
    values.push(Parameter { name: wanted.name, value: Some(value), places: Places::default() });
    Ok(())
}

/// The parameters of one request. `Debug` shows no value, since some are secrets.
#[derive(Clone)]
pub struct Parameters(Values);

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

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.0.iter().map(|parameter| (parameter.name, parameter.places))).finish()
    }
}

impl Parameters {
    /// Parses the parameters of interest in the body (a form or JSON), in HTTP Basic (form-decoded, RFC 6749 section 2.3.1) and
    /// in the query. With other methods than GET and HEAD the query is not used, but must not contradict another place,
    /// since servers may read it.
    ///
    /// # Errors
    ///
    /// If a part violates its grammar, or a parameter has two values.
    pub fn parse<const N: usize>(
        head: &Parts,
        body: &[u8],
        interest: &Interest<N>,
    ) -> Result<Self, ParameterError> {
        let in_query = match head.uri.query() {
            Some(query) => form::values(query.as_bytes(), interest)?,
            None => Vec::new(),
        };
        let in_header = authorization::values(&head.headers, interest)?;
        let in_body = if body.is_empty() { Vec::new() } else { in_body(&head.headers, body, interest)? };
        let query_counts = matches!(head.method, Method::GET | Method::HEAD);
        let mut parameters = Self(in_body);
        for Parameter { value, places, .. } in &mut parameters.0 {
            places.body = has_value(value.as_deref());
        }
        for parameter in in_header {
            let basic = has_value(parameter.value.as_deref());
            parameters.add(parameter, Places { basic, ..Places::default() }, true)?;
        }
        for parameter in in_query {
            let query = has_value(parameter.value.as_deref());
            parameters.add(parameter, Places { query, ..Places::default() }, query_counts)?;
        }
        Ok(parameters)
    }

    /// Adds a parameter of a further place, whose value is used if it `counts`.
    fn add(&mut self, other: Parameter, at: Places, counts: bool) -> Result<(), ParameterError> {
        let Some(known) = self.0.iter_mut().find(|known| known.name == other.name) else {
            let value = other.value.filter(|_| counts);
            self.0.push(Parameter { name: other.name, value, places: at });
            return Ok(());
        };
        match &known.value {
            Some(value) if Some(value) != other.value.as_ref() => {
                return Err(ParameterError::Differ(other.name));
            }
            None if counts => known.value = other.value,
            _ => {}
        }
        known.places.basic |= at.basic;
        known.places.query |= at.query;
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Parameter> {
        self.0.iter().find(|parameter| parameter.name == name)
    }

    /// Where a parameter of interest has a value.
    #[must_use]
    pub fn places(&self, name: &str) -> Places {
        self.find(name).map(|parameter| parameter.places).unwrap_or_default()
    }

    /// Whether one of these parameters has a value in any place.
    #[must_use]
    pub fn have_any(&self, names: &[&str]) -> bool {
        self.0.iter().any(|parameter| parameter.places.is_anywhere() && names.contains(&parameter.name))
    }

    /// The value of a parameter of interest. An empty value is treated as absent (RFC 6749 section 3.1).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name)?.value.as_deref().filter(|value| !value.is_empty())
    }
}

fn has_value(value: Option<&str>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

fn in_body<const N: usize>(
    headers: &HeaderMap,
    body: &[u8],
    interest: &Interest<N>,
) -> Result<Values, ParameterError> {
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
