//! Parsing of names from a configuration: detects the form, and reports ambiguous texts.

mod error;
mod label;
mod scan;

use super::{Attribute, DistinguishedName, Rdn, attribute, attribute::Unresolved, value::Value};
pub use error::{ParseNameError, ParseNameWarning};
use scan::{Part, Separator};

/// Parses a name in any of the supported forms.
pub(super) fn parse(text: &str) -> Result<(DistinguishedName, Option<ParseNameWarning>), ParseNameError> {
    let text = trim(text);
    if text.is_empty() {
        return Err(ParseNameError::Empty);
    }
    if let Some((label, rest)) = label::split(text) {
        return Err(ParseNameError::labelled(label, rest));
    }
    if is_regex(text) {
        return Err(ParseNameError::Regex { found: text.to_owned() });
    }
    if let Some(rest) = text.strip_prefix('/') {
        return Ok(in_certificate_order(name(&scan::rdns(rest, Separator::Slash)?)?, "with slashes"));
    }
    if text.contains('\n') {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let mut rdns = Vec::new();
        for line in lines {
            rdns.extend(scan::rdns(trim(line), Separator::Line)?);
        }
        return Ok(in_certificate_order(name(&rdns)?, "with one RDN per line"));
    }
    parse_commas(text)
}

/// Sequences of regular expressions, as Keycloak's `x509.subjectdn` may be one. Only those that names hardly contain: `\d0` is an escaped
/// byte, and "(?)" may be part of a value.
const PATTERNS: [&str; 6] = ["(?:", "(?i)", "(.*", "(.+", ".*?", "[^,"];

fn is_regex(text: &str) -> bool {
    text.starts_with('^') || PATTERNS.iter().any(|pattern| text.contains(pattern))
}

/// Whether one of these begins at this character of a value, also if its end is the separator after the value.
pub(super) fn begins_pattern(c: char, rest: &str) -> bool {
    let completes = |tail: &str| {
        rest.starts_with(tail) || tail.strip_prefix(rest).is_some_and(|missing| [",", "+"].contains(&missing))
    };
    matches!(c, '(' | '.' | '[')
        && PATTERNS.iter().any(|pattern| pattern.strip_prefix(c).is_some_and(completes))
}

/// A name in certificate order, with a warning if it appears to be in the reverse order.
fn in_certificate_order(
    name: DistinguishedName,
    form: &'static str,
) -> (DistinguishedName, Option<ParseNameWarning>) {
    let mut rdns = name.rdns();
    let first = rdns.first().map(Rdn::to_rfc4514).unwrap_or_default();
    rdns.reverse();
    let reversed = DistinguishedName::new(&rdns);
    let warning = goes_from_general(&reversed).then(|| ParseNameWarning::LooksReversed {
        form,
        is_most_specific: false,
        first,
        reversed: reversed.to_rfc4514(),
    });
    (name, warning)
}

/// Whether a comma before `rest` could be a separator: a known attribute type or nothing follows.
pub(super) fn may_separate(rest: &str) -> bool {
    let is_attribute = |(name, _): (&str, &str)| attribute::is_known(name.trim());
    rest.trim().is_empty() || rest.split_once('=').is_some_and(is_attribute)
}

/// Parses the two forms with commas, which differ in their spaces.
fn parse_commas(text: &str) -> Result<(DistinguishedName, Option<ParseNameWarning>), ParseNameError> {
    let mut parts = scan::rdns(text, Separator::Comma)?;
    let as_written = name(&parts)?;
    if parts.len() == 1 {
        return Ok((as_written, None));
    }
    let tight = parts.iter().all(|rdn| rdn.iter().all(Part::is_tight));
    let spaced = parts.iter().all(|rdn| rdn.iter().all(Part::is_spaced));
    parts.reverse();
    let reversed = name(&parts)?;
    if spaced {
        Ok(in_certificate_order(as_written, "with spaces around `=`"))
    } else if tight {
        let warning = goes_from_general(&as_written).then(|| ParseNameWarning::LooksReversed {
            form: "without spaces",
            is_most_specific: true,
            first: as_written.rdns().first().map(Rdn::to_rfc4514).unwrap_or_default(),
            reversed: as_written.to_rfc4514(),
        });
        Ok((reversed, warning))
    } else {
        Err(ParseNameError::Ambiguous {
            text: text.to_owned(),
            begins_specific: goes_from_general(&reversed),
            if_least_specific_first: as_written.to_rfc4514(),
            if_most_specific_first: reversed.to_rfc4514(),
        })
    }
}

/// Whether the first RDN is a country or domain and the last an individual.
fn goes_from_general(written: &DistinguishedName) -> bool {
    const GENERAL: [&str; 2] = ["2.5.4.6", "0.9.2342.19200300.100.1.25"];
    const INDIVIDUAL: [&str; 4] = ["2.5.4.3", "2.5.4.5", "0.9.2342.19200300.100.1.1", "1.2.840.113549.1.9.1"];
    let has = |rdn: Option<&Rdn>, types: &[&str]| {
        rdn.is_some_and(|rdn| rdn.attributes.iter().any(|a| types.contains(&a.oid.as_str())))
    };
    let rdns = written.rdns();
    has(rdns.first(), &GENERAL) && has(rdns.last(), &INDIVIDUAL)
}

/// Trims whitespace, but not an escaped space at the end.
fn trim(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.trim_end();
    let protected = end.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
    match text.get(end.len()..).and_then(|rest| rest.chars().next()) {
        Some(blank) if protected => text.get(..end.len() + blank.len_utf8()).unwrap_or(end),
        _ => end,
    }
}

/// Builds a name from RDNs in certificate order.
fn name(parts: &[Vec<Part<'_>>]) -> Result<DistinguishedName, ParseNameError> {
    let rdn = |parts: &Vec<Part<'_>>| {
        let attributes = parts.iter().map(attribute_of).collect::<Result<_, _>>()?;
        Ok(Rdn { attributes })
    };
    parts.iter().map(rdn).collect::<Result<Vec<_>, _>>().map(|rdns| DistinguishedName::new(&rdns))
}

fn attribute_of(part: &Part<'_>) -> Result<Attribute, ParseNameError> {
    let oid = attribute::resolve(part.name).map_err(|unresolved| match unresolved {
        Unresolved::Unknown(nearest) => {
            ParseNameError::UnknownAttribute { name: part.name.to_owned(), nearest }
        }
        Unresolved::BadOid => ParseNameError::BadOid { found: part.name.to_owned() },
    })?;
    let value = match &part.value {
        scan::Unescaped::Text(text) => Value::from_text(text),
        scan::Unescaped::Der(der) => Value::from_der(der)
            .filter(|value| !value.is_broken_string())
            .ok_or_else(|| ParseNameError::Hex { found: part.raw.to_owned() })?,
    };
    Ok(Attribute { oid, value })
}

#[cfg(test)]
mod tests;
