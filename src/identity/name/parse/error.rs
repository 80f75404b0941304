//! Errors and warnings of parsing a name, with the text to write instead.

use super::{super::MAX_NAME_BYTES, label, parse};

/// Why a text cannot be parsed as a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// The text is empty.
    #[error("an empty distinguished name; expected one such as `CN=client,O=Example,C=DE`")]
    Empty,
    /// The name is longer than [`MAX_NAME_BYTES`].
    #[error(
        "a distinguished name of more than {} bytes; register the certificate by its thumbprint instead",
        MAX_NAME_BYTES
    )]
    TooLarge,
    /// The text begins with the label that a tool prints before the name.
    #[error("begins with the label {label:?}; {advice}")]
    Label {
        /// The label.
        label: String,
        /// What to write instead.
        advice: String,
    },
    /// The text is a regular expression.
    #[error(
        "{found:?} is a regular expression, which is not supported; write the whole name: `mtls-edge inspect CERT` prints it"
    )]
    Regex {
        /// The text.
        found: String,
    },
    /// The spaces do not match any form, so the order of the RDNs is ambiguous.
    #[error("the order of {text:?} is ambiguous; {}", readings(*begins_specific, if_least_specific_first, if_most_specific_first))]
    Ambiguous {
        /// The text.
        text: String,
        /// Whether it begins with an individual and ends with a country or domain.
        begins_specific: bool,
        /// RFC 4514 form of the first interpretation.
        if_least_specific_first: String,
        /// RFC 4514 form of the second interpretation.
        if_most_specific_first: String,
    },
    /// A part between two separators is not an attribute.
    #[error("{}", missing_equals(segment, escape))]
    MissingEquals {
        /// The invalid part.
        segment: String,
        /// How to escape the separator in a value.
        escape: &'static str,
    },
    /// An attribute type is unknown.
    #[error("unknown attribute {name:?}; {}", unknown_help(*nearest))]
    UnknownAttribute {
        /// The invalid part.
        name: String,
        /// The most similar known name.
        nearest: Option<&'static str>,
    },
    /// An attribute type of digits is not an object identifier.
    #[error("{found:?} is not an object identifier; expected one such as 2.5.4.97")]
    BadOid {
        /// The invalid part.
        found: String,
    },
    /// A value contains a separator of another form.
    #[error(
        "{found:?} could separate attributes or belong to the value; put a backslash before the {mark:?} if it belongs to the value, else write the whole name in one form"
    )]
    TwoReadings {
        /// The separator.
        mark: char,
        /// The text from the separator on.
        found: String,
    },
    /// A backslash precedes a character that is never escaped.
    #[error("{found:?} is not an escape; expected a backslash before a special character or two hex digits")]
    Escape {
        /// The invalid escape.
        found: String,
    },
    /// A quoted value has no closing quote.
    #[error("a quoted value without its closing quote: {found:?}")]
    UnclosedQuote {
        /// The text from the opening quote on.
        found: String,
    },
    /// A quoted value is not followed by a separator.
    #[error("{found:?} follows a closing quote; expected a separator or the end")]
    AfterQuote {
        /// The invalid part.
        found: String,
    },
    /// A character must be escaped (RFC 4514 section 3).
    #[error("{}", unescaped(*found))]
    Unescaped {
        /// The character.
        found: char,
    },
    /// Escaped bytes are not UTF-8.
    #[error("the escapes of {found:?} are not UTF-8")]
    NotUtf8 {
        /// The value with its escapes.
        found: String,
    },
    /// A value begins with `#` but is not the hex of one DER value.
    #[error(
        "{found:?} begins with `#` but is not the hex of a DER value; write `\\#` if the value begins with that character"
    )]
    Hex {
        /// The value with its escapes.
        found: String,
    },
}

/// A problem of a name that is parsed nevertheless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameWarning {
    /// An RFC 4514 form appears to be in certificate order, or another form in RFC 4514 order.
    #[error(
        "{form} it is read {}, so that {first:?} is the {} specific part; if the certificate has it the other way round, write {reversed:?}",
        if *is_most_specific { "as RFC 4514" } else { "in the order of certificates" },
        if *is_most_specific { "most" } else { "least" },
    )]
    LooksReversed {
        /// How the form is recognized.
        form: &'static str,
        /// Whether the form begins with the most specific RDN.
        is_most_specific: bool,
        /// The first RDN of the text.
        first: String,
        /// RFC 4514 form of the name in the other order.
        reversed: String,
    },
}

impl ParseNameError {
    /// The error for a label. Its advice includes the problems of the name after it.
    pub(super) fn labelled(label: &str, name: &str) -> Self {
        let is_issuer =
            label.trim_start_matches('[').get(..6).is_some_and(|word| word.eq_ignore_ascii_case("issuer"));
        let advice = if is_issuer {
            "that is the issuer's name, expected the subject's: `mtls-edge inspect CERT` prints it".to_owned()
        } else if label::split(name.trim()).is_some() {
            // Not recursively, since a text may have thousands of labels.
            "remove it, and those after it".to_owned()
        } else {
            match parse(name) {
                Ok((name, None)) => format!("write {:?}", name.to_rfc4514()),
                Ok((_, Some(warning))) => format!("remove it; {warning}"),
                Err(error) => format!("remove it; {error}"),
            }
        };
        Self::Label { label: label.to_owned(), advice }
    }
}

/// Both interpretations, the more likely one first.
fn readings(begins_specific: bool, if_least_specific_first: &str, if_most_specific_first: &str) -> String {
    let least = format!(
        "if it begins with the least specific part (as openssl prints it) write {if_least_specific_first:?}"
    );
    let most = format!(
        "if it begins with the most specific (as keytool, PowerShell and LDAP print it) write {if_most_specific_first:?}"
    );
    if begins_specific { format!("{most}, {least}") } else { format!("{least}, {most}") }
}

fn missing_equals(segment: &str, escape: &str) -> String {
    if segment.trim().is_empty() {
        return format!(
            "a part is empty, at the end or between two separators; remove the separator, or write {escape:?} if it belongs to a value"
        );
    }
    format!(
        "{segment:?} has no `=`; expected NAME=value, and a separator within a value escaped as {escape:?}"
    )
}

fn unescaped(found: char) -> String {
    if found == ';' {
        return "';' does not separate parts: write ',' between them, or \"\\\\;\" if it belongs to a value"
            .to_owned();
    }
    format!("{found:?} in a value must be written with a backslash before it")
}

fn unknown_help(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("the nearest known one is {nearest:?}"),
        None => "write its object identifier, such as 2.5.4.97".to_owned(),
    }
}
