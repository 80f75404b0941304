//! Splits a name into attributes, and records where spaces are.

use super::{ParseNameError, may_separate};

/// The separator of RDNs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// A comma: RFC 4514, and OpenSSL's one-line form.
    Comma,
    /// A slash: OpenSSL's old form.
    Slash,
    /// None: the text is a line with one RDN.
    Line,
}

/// An attribute of the text.
pub(super) struct Part<'a> {
    /// The type.
    pub(super) name: &'a str,
    /// The value.
    pub(super) value: Unescaped,
    /// The value with its escapes.
    pub(super) raw: &'a str,
    /// Whether it is the first attribute of the name.
    first: bool,
    /// Whether a `+` precedes it.
    joined: bool,
    spaces: Spaces,
}

/// A value without escapes.
pub(super) enum Unescaped {
    Text(String),
    /// The DER that is written as `#` and hex.
    Der(Vec<u8>),
}

/// Where unescaped spaces are.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "five places, each with or without a space")]
struct Spaces {
    before_separator: bool,
    after_separator: bool,
    before_equals: bool,
    after_equals: bool,
    at_end: bool,
}

impl Part<'_> {
    /// Whether there are no spaces, as in RFC 4514.
    pub(super) fn is_tight(&self) -> bool {
        let spaces = self.spaces;
        !(spaces.before_separator
            || spaces.after_separator
            || spaces.before_equals
            || spaces.after_equals
            || spaces.at_end)
    }

    /// Whether there are spaces as OpenSSL prints them: around `=` and `+`, and after a comma.
    pub(super) fn is_spaced(&self) -> bool {
        let spaces = self.spaces;
        let separator = self.first || (spaces.after_separator && spaces.before_separator == self.joined);
        separator && spaces.before_equals && (spaces.after_equals || self.raw.is_empty())
    }
}

/// Splits a text into RDNs, each a list of attributes.
pub(super) fn rdns(text: &str, separator: Separator) -> Result<Vec<Vec<Part<'_>>>, ParseNameError> {
    let mut rdns: Vec<Vec<Part<'_>>> = Vec::new();
    let mut rest = text;
    let mut joined = false;
    let mut space_before = false;
    loop {
        let (mut part, value_end) = part(rest, separator, joined)?;
        part.first = rdns.is_empty();
        part.joined = joined;
        part.spaces.before_separator = space_before;
        space_before = part.spaces.at_end;
        part.spaces.at_end = false;
        match rdns.last_mut() {
            Some(rdn) if joined => rdn.push(part),
            _ => rdns.push(vec![part]),
        }
        let mut after = value_end.chars();
        joined = match after.next() {
            None => return Ok(rdns),
            Some(mark) => mark == '+',
        };
        rest = after.as_str();
    }
}

/// Parses an attribute. `joined`: whether a `+` precedes it. The returned rest begins with a separator or is empty.
fn part(text: &str, separator: Separator, joined: bool) -> Result<(Part<'_>, &str), ParseNameError> {
    let start = text.trim_start_matches(' ');
    let ends = match separator {
        Separator::Comma => &[',', '+', '='][..],
        Separator::Slash => &['/', '+', '='],
        Separator::Line => &['+', '='],
    };
    let split = start.find(ends).filter(|at| start.get(*at..).is_some_and(|s| s.starts_with('=')));
    let Some((name, value)) = split.and_then(|at| Some((start.get(..at)?, start.get(at + 1..)?))) else {
        let segment = start.find(ends).and_then(|at| start.get(..at)).unwrap_or(start);
        let escape = match (joined, separator) {
            (true, _) => "\\+",
            (false, Separator::Slash) => "\\/",
            (false, Separator::Comma | Separator::Line) => "\\,",
        };
        return Err(ParseNameError::MissingEquals { segment: segment.to_owned(), escape });
    };
    let value_start = value.trim_start_matches(' ');
    let mut spaces = Spaces {
        after_separator: start.len() != text.len(),
        before_equals: name.ends_with(' '),
        after_equals: value_start.len() != value.len(),
        ..Spaces::default()
    };
    let (written, rest) = match value_start.strip_prefix('"') {
        Some(quoted) if separator != Separator::Slash => quoted_value(quoted, separator)?,
        _ => plain_value(value_start, separator)?,
    };
    let raw = value_start.get(..value_start.len() - rest.len()).unwrap_or_default();
    spaces.at_end = written.space_at_end;
    let value = written.finish(raw, separator)?;
    Ok((Part { name: name.trim(), value, raw, first: false, joined: false, spaces }, rest))
}

/// The bytes of a value that is being parsed.
#[derive(Default)]
struct ValueBytes {
    bytes: Vec<u8>,
    /// The length without unescaped trailing spaces.
    trimmed: usize,
    escaped: bool,
    space_at_end: bool,
}

impl ValueBytes {
    fn push(&mut self, c: char) {
        let mut buffer = [0; 4];
        self.bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
        if c != ' ' {
            self.trimmed = self.bytes.len();
        }
    }

    /// Parses the escape after a backslash, and returns the rest.
    fn escape<'a>(&mut self, after: &'a str, separator: Separator) -> Result<&'a str, ParseNameError> {
        self.escaped = true;
        // OpenSSL's old form writes \xC3 instead of \C3, and does not escape a backslash. Other escapes are an error
        // there, since their meaning is ambiguous.
        let slash = separator == Separator::Slash;
        let hex = if slash { after.strip_prefix('x') } else { Some(after) };
        let pair =
            hex.and_then(|hex| hex.get(..2)).filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        let rest = if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            self.bytes.push(byte);
            hex.and_then(|hex| hex.get(2..))
        } else {
            let special =
                |c: char| if slash { "/+\\,;".contains(c) } else { c.is_ascii_punctuation() || c == ' ' };
            let c = after.chars().next().filter(|c| special(*c)).ok_or_else(|| ParseNameError::Escape {
                found: format!("\\{}", after.chars().take(2).collect::<String>()),
            })?;
            self.push(c);
            after.get(c.len_utf8()..)
        };
        self.trimmed = self.bytes.len();
        Ok(rest.unwrap_or_default())
    }

    fn finish(mut self, raw: &str, separator: Separator) -> Result<Unescaped, ParseNameError> {
        self.bytes.truncate(self.trimmed);
        // OpenSSL does not escape a value that is only `#`.
        if !self.escaped && self.bytes.starts_with(b"#") && self.bytes != b"#" {
            match from_hex(self.bytes.get(1..).unwrap_or_default()) {
                Some(der) => return Ok(Unescaped::Der(der)),
                // OpenSSL's old form does not escape `#`.
                None if separator == Separator::Slash => {}
                None => return Err(ParseNameError::Hex { found: raw.to_owned() }),
            }
        }
        let text = String::from_utf8(self.bytes);
        text.map(Unescaped::Text).map_err(|_| ParseNameError::NotUtf8 { found: raw.to_owned() })
    }
}

fn plain_value(text: &str, separator: Separator) -> Result<(ValueBytes, &str), ParseNameError> {
    let mut value = ValueBytes::default();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match (c, separator) {
            ('\\', _) => value.escape(after, separator)?,
            ('+', _) | (',', Separator::Comma) | ('/', Separator::Slash) => break,
            (',' | ';', Separator::Slash | Separator::Line) if may_separate(after) => {
                return Err(ParseNameError::TwoReadings { mark: c, found: rest.to_owned() });
            }
            (';' | '"', Separator::Comma) => return Err(ParseNameError::Unescaped { found: c }),
            _ => {
                value.push(c);
                after
            }
        };
    }
    value.space_at_end = value.bytes.len() != value.trimmed;
    Ok((value, rest))
}

/// Parses a quoted value after its opening quote.
fn quoted_value(text: &str, separator: Separator) -> Result<(ValueBytes, &str), ParseNameError> {
    let mut value = ValueBytes { escaped: true, ..ValueBytes::default() };
    let mut rest = text;
    loop {
        let unclosed = || ParseNameError::UnclosedQuote { found: format!("\"{text}") };
        let c = rest.chars().next().ok_or_else(unclosed)?;
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            '\\' => value.escape(after, separator)?,
            '"' => {
                rest = after;
                break;
            }
            _ => {
                value.push(c);
                after
            }
        };
    }
    value.trimmed = value.bytes.len();
    let end = rest.trim_start_matches(' ');
    value.space_at_end = end.len() != rest.len();
    let closed = match separator {
        Separator::Comma => end.is_empty() || end.starts_with([',', '+']),
        Separator::Slash | Separator::Line => end.is_empty() || end.starts_with('+'),
    };
    if closed { Ok((value, end)) } else { Err(ParseNameError::AfterQuote { found: end.to_owned() }) }
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return None;
    }
    let byte = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok().filter(|text| !text.starts_with('+'))?;
        u8::from_str_radix(text, 16).ok()
    };
    pairs.iter().map(byte).collect()
}
