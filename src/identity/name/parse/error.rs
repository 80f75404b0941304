//! What is wrong with a written name, and how to write it.

use super::{super::MAX_NAME_BYTES, label, parse};

/// Why a written name cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// Nothing was written.
    #[error("an empty distinguished name; expected one such as `CN=client,O=Example,C=DE`")]
    Empty,
    /// It could equal no certificate's name.
    #[error(
        "a distinguished name of more than {} bytes; register the certificate by its thumbprint instead",
        MAX_NAME_BYTES
    )]
    TooLarge,
    /// The label that a tool prints before the name came along.
    #[error("begins with the label {label:?}; {advice}")]
    Label {
        /// What to leave out.
        label: String,
        /// What to write.
        advice: String,
    },
    /// A pattern instead of a name.
    #[error(
        "{found:?} is a regular expression, which is not supported; write the whole name: `mtls-edge inspect CERT` prints it"
    )]
    Regex {
        /// What was written.
        found: String,
    },
    /// The blanks fit no form, so that the order of the RDNs is anyone's guess.
    #[error("the order of {text:?} is ambiguous; {}", readings(*begins_specific, if_least_specific_first, if_most_specific_first))]
    Ambiguous {
        /// What was written.
        text: String,
        /// Whether it goes from an individual to a country or domain.
        begins_specific: bool,
        /// RFC 4514 form of the one reading.
        if_least_specific_first: String,
        /// RFC 4514 form of the other.
        if_most_specific_first: String,
    },
    /// What stands between two separators is no attribute.
    #[error("{}", missing_equals(segment, escape))]
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
    #[error("{}", unescaped(*found))]
    Unescaped {
        /// The character.
        found: char,
    },
    /// Escapes that give bytes which are not UTF-8.
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
pub enum ParseNameWarning {
    /// RFC 4514 form with the order of a certificate, or another form with the order of RFC 4514.
    #[error(
        "{form} it is read {}, so that {first:?} is the {} specific part; if the certificate has it the other way round, write {reversed:?}",
        if *is_most_specific { "as RFC 4514" } else { "in the order of certificates" },
        if *is_most_specific { "most" } else { "least" },
    )]
    LooksReversed {
        /// What the form is known by.
        form: &'static str,
        /// Whether the form begins with the most specific part.
        is_most_specific: bool,
        /// The part that was written first.
        first: String,
        /// RFC 4514 form of the name in the other order.
        reversed: String,
    },
}

impl ParseNameError {
    /// A label, and what there is to say of the name behind it, so that a second look is not needed.
    pub(super) fn labelled(label: &str, name: &str) -> Self {
        let is_issuer =
            label.trim_start_matches('[').get(..6).is_some_and(|word| word.eq_ignore_ascii_case("issuer"));
        let advice = if is_issuer {
            "that is the issuer's name, and the subject's is wanted: `mtls-edge inspect CERT` prints it"
                .to_owned()
        } else if label::split(name.trim()).is_some() {
            // Not a second time: a text may have thousands.
            "leave it out, and those after it".to_owned()
        } else {
            match parse(name) {
                Ok((name, None)) => format!("write {:?}", name.to_rfc4514()),
                Ok((_, Some(warning))) => format!("leave it out; {warning}"),
                Err(error) => format!("leave it out; {error}"),
            }
        };
        Self::Label { label: label.to_owned(), advice }
    }
}

/// Both readings, the likelier one first.
fn readings(begins_specific: bool, if_least_specific_first: &str, if_most_specific_first: &str) -> String {
    let least = format!(
        "if it begins with the least specific part (as openssl prints it) write {if_least_specific_first:?}"
    );
    let most = format!(
        "if it begins with the most specific (as keytool, PowerShell and LDAP have it) write {if_most_specific_first:?}"
    );
    if begins_specific { format!("{most}, {least}") } else { format!("{least}, {most}") }
}

fn missing_equals(segment: &str, escape: &str) -> String {
    if segment.trim().is_empty() {
        return format!(
            "a part is empty, at the end or between two separators; leave the separator out, or write {escape:?} if it belongs to a value"
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
