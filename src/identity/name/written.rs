//! Names as operators write them: which form a text has, and what it says.

mod scan;

use super::{Attribute, DistinguishedName, Rdn, attribute, attribute::Unresolved, value::Value};
use scan::{Part, Separator};

/// Why a written name cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrittenNameError {
    /// Nothing was written.
    #[error("an empty distinguished name; expected one such as `CN=client,O=Example,C=DE`")]
    Empty,
    /// It could equal no certificate's name.
    #[error(
        "a distinguished name of more than {} bytes; register the certificate by its thumbprint instead",
        super::MAX_NAME_BYTES
    )]
    TooLarge,
    /// The label that `openssl x509 -subject` prints came along.
    #[error("begins with the label {label:?} that openssl prints; leave it out")]
    Label {
        /// What to leave out.
        label: String,
    },
    /// The blanks fit no form, so that the order of the RDNs is anyone's guess.
    #[error(
        "the order of {text:?} is ambiguous; if it begins with the least specific part (as openssl prints it) write \
         {if_least_specific_first:?}, if it begins with the most specific (as in LDAP) write \
         {if_most_specific_first:?}"
    )]
    Ambiguous {
        /// What was written.
        text: String,
        /// RFC 4514 form of the one reading.
        if_least_specific_first: String,
        /// RFC 4514 form of the other.
        if_most_specific_first: String,
    },
    /// What stands between two separators is no attribute.
    #[error(
        "{segment:?} has no `=`; expected NAME=value, and a separator within a value escaped as {escape:?}"
    )]
    MissingEquals {
        /// What was found.
        segment: String,
        /// How to write the separator where it belongs to a value.
        escape: &'static str,
    },
    /// An attribute name that is not known.
    #[error("unknown attribute {name:?}; {}", unknown_help(*nearest))]
    UnknownAttribute {
        /// What was found.
        name: String,
        /// The known name most like it.
        nearest: Option<&'static str>,
    },
    /// An attribute type of digits that is no object identifier.
    #[error("{found:?} is not an object identifier; expected one such as 2.5.4.97")]
    BadOid {
        /// What was found.
        found: String,
    },
    /// A separator of one form inside another.
    #[error(
        "{found:?} could separate attributes or belong to the value; put a backslash before the {mark:?} if it belongs to the value, else write the whole name in one form"
    )]
    TwoReadings {
        /// The separator.
        mark: char,
        /// From the separator on.
        found: String,
    },
    /// A backslash before something that is never escaped.
    #[error("{found:?} is not an escape; expected a backslash before a special character or two hex digits")]
    Escape {
        /// The backslash and what follows it.
        found: String,
    },
    /// A quoted value without its end.
    #[error("a quoted value without its closing quote: {found:?}")]
    UnclosedQuote {
        /// From the opening quote on.
        found: String,
    },
    /// Something other than a separator after a quoted value.
    #[error("{found:?} follows a closing quote; expected a separator or the end")]
    AfterQuote {
        /// What was found.
        found: String,
    },
    /// A character that RFC 4514 section 3 wants escaped.
    #[error("{found:?} in a value must be written with a backslash before it")]
    Unescaped {
        /// The character.
        found: char,
    },
    /// Escapes that give octets which are not UTF-8.
    #[error("the escapes of {found:?} are not UTF-8")]
    NotUtf8 {
        /// The value as written.
        found: String,
    },
    /// A value that begins with `#` but is not the hex of one DER value.
    #[error(
        "{found:?} begins with `#` but is not the hex of a DER value; write `\\#` if the value begins with that character"
    )]
    Hex {
        /// The value as written.
        found: String,
    },
}

/// A written name that has one reading, but perhaps not the one that was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrittenWarning {
    /// RFC 4514 form, but with the order of a certificate.
    #[error(
        "without blanks it is read as RFC 4514, so that {first:?} is the most specific part; if the certificate has \
         it the other way round, write {reversed:?}"
    )]
    LooksReversed {
        /// The part that was written first.
        first: String,
        /// RFC 4514 form of the name in the other order.
        reversed: String,
    },
}

/// Reads a name of any form.
pub(super) fn read(text: &str) -> Result<(DistinguishedName, Option<WrittenWarning>), WrittenNameError> {
    let text = trim(text);
    if text.is_empty() {
        return Err(WrittenNameError::Empty);
    }
    refuse_label(text)?;
    if let Some(rest) = text.strip_prefix('/') {
        return Ok((name(&scan::rdns(rest, Separator::Slash)?)?, None));
    }
    if text.contains('\n') {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let mut rdns = Vec::new();
        for line in lines {
            rdns.extend(scan::rdns(trim(line), Separator::Line)?);
        }
        return Ok((name(&rdns)?, None));
    }
    read_commas(text)
}

/// Whether a comma with this after it may be meant as a separator: an attribute of a known type follows, or nothing.
pub(super) fn may_separate(rest: &str) -> bool {
    let attribute = |(name, _): (&str, &str)| attribute::resolve(name.trim()).is_ok();
    rest.trim().is_empty() || rest.split_once('=').is_some_and(attribute)
}

/// The two forms with commas, told apart by their blanks.
fn read_commas(text: &str) -> Result<(DistinguishedName, Option<WrittenWarning>), WrittenNameError> {
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
        Ok((as_written, None))
    } else if tight {
        let warning = looks_reversed(&as_written).then(|| WrittenWarning::LooksReversed {
            first: as_written.rdns().first().map(Rdn::to_rfc4514).unwrap_or_default(),
            reversed: as_written.to_rfc4514(),
        });
        Ok((reversed, warning))
    } else {
        Err(WrittenNameError::Ambiguous {
            text: text.to_owned(),
            if_least_specific_first: as_written.to_rfc4514(),
            if_most_specific_first: reversed.to_rfc4514(),
        })
    }
}

/// Whether the parts, in the order in which they were written, go from country or domain to an individual.
fn looks_reversed(written: &DistinguishedName) -> bool {
    const GENERAL: [&str; 2] = ["2.5.4.6", "0.9.2342.19200300.100.1.25"];
    const INDIVIDUAL: [&str; 4] = ["2.5.4.3", "2.5.4.5", "0.9.2342.19200300.100.1.1", "1.2.840.113549.1.9.1"];
    let has = |rdn: Option<&Rdn>, types: &[&str]| {
        rdn.is_some_and(|rdn| rdn.attributes.iter().any(|a| types.contains(&a.oid.as_str())))
    };
    let rdns = written.rdns();
    has(rdns.first(), &GENERAL) && has(rdns.last(), &INDIVIDUAL)
}

/// Removes blanks around a text, but not one that a backslash protects.
fn trim(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.trim_end();
    let protected = end.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
    match text.get(end.len()..).and_then(|rest| rest.chars().next()) {
        Some(blank) if protected => text.get(..end.len() + blank.len_utf8()).unwrap_or(end),
        _ => end,
    }
}

fn refuse_label(text: &str) -> Result<(), WrittenNameError> {
    for label in ["subject", "issuer"] {
        let Some(head) = text.get(..label.len()) else { continue };
        let rest = text.get(label.len()..).unwrap_or_default();
        let mark = rest.trim_start();
        if head.eq_ignore_ascii_case(label) && mark.starts_with(['=', ':']) {
            let end = text.len() - mark.len() + 1;
            return Err(WrittenNameError::Label { label: text.get(..end).unwrap_or(label).to_owned() });
        }
    }
    Ok(())
}

/// The name whose RDNs are `parts`, in certificate order.
fn name(parts: &[Vec<Part<'_>>]) -> Result<DistinguishedName, WrittenNameError> {
    let rdn = |parts: &Vec<Part<'_>>| {
        let attributes = parts.iter().map(attribute_of).collect::<Result<_, _>>()?;
        Ok(Rdn { attributes })
    };
    parts.iter().map(rdn).collect::<Result<Vec<_>, _>>().map(|rdns| DistinguishedName::new(&rdns))
}

fn attribute_of(part: &Part<'_>) -> Result<Attribute, WrittenNameError> {
    let oid = attribute::resolve(part.name).map_err(|unresolved| match unresolved {
        Unresolved::Unknown(nearest) => {
            WrittenNameError::UnknownAttribute { name: part.name.to_owned(), nearest }
        }
        Unresolved::BadOid => WrittenNameError::BadOid { found: part.name.to_owned() },
    })?;
    let value = match &part.value {
        scan::Written::Text(text) => Value::from_text(text),
        scan::Written::Der(der) => Value::from_der(der)
            .filter(|value| !value.is_broken_string())
            .ok_or_else(|| WrittenNameError::Hex { found: part.raw.to_owned() })?,
    };
    Ok(Attribute { oid, value })
}

fn unknown_help(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("the nearest known one is {nearest:?}"),
        None => "write its object identifier, such as 2.5.4.97".to_owned(),
    }
}

#[cfg(test)]
mod tests;
