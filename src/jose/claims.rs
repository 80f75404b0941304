//! The claims of a JWT (RFC 7519 section 4).

use serde_json::Value;

use super::object::{self, Members, ObjectError};
use crate::{clock::Timestamp, text};

/// The last second of the year 9999, the latest NumericDate: a time in milliseconds is beyond it.
const MAX_DATE: i64 = 253_402_300_799;

/// Why claims are not accepted: the first rule that they break.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// The payload is not one JSON object.
    #[error("the payload is not a JSON object")]
    NotAnObject,
    /// A claim is repeated, or a member of a claim.
    #[error("the payload has two members {name:?}")]
    Duplicate {
        /// The name, bounded.
        name: String,
    },
    /// A required claim is missing.
    #[error("{claim} is missing")]
    Missing {
        /// The name.
        claim: &'static str,
    },
    /// A claim has a value of another type.
    #[error("{claim} is not {expected}")]
    Type {
        /// The name.
        claim: &'static str,
        /// What the value must be.
        expected: &'static str,
    },
    /// `exp` is not later than the time.
    #[error("expired {seconds} s ago (exp)")]
    Expired {
        /// Seconds since `exp`.
        seconds: i64,
    },
    /// `exp` is too late.
    #[error("exp is {seconds} s ahead: at most {limit} s are accepted")]
    ExpiresTooLate {
        /// Seconds until `exp`.
        seconds: i64,
        /// The limit in seconds.
        limit: i64,
    },
    /// `exp` is too long after `iat`.
    #[error("exp is {seconds} s after iat: at most {limit} s are accepted")]
    LifeTooLong {
        /// Seconds from `iat` to `exp`.
        seconds: i64,
        /// The limit in seconds.
        limit: i64,
    },
    /// `iat` or `nbf` is in the future.
    #[error("{claim} is {seconds} s ahead: at most {limit} s are accepted")]
    InTheFuture {
        /// The name.
        claim: &'static str,
        /// Seconds until the time.
        seconds: i64,
        /// The limit in seconds.
        limit: i64,
    },
}

/// The value of `aud` (RFC 7519 section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience<'c> {
    /// A string.
    One(&'c str),
    /// An array of strings, which may be one.
    Several(&'c [Value]),
}

impl<'c> Audience<'c> {
    /// The values.
    pub fn values(self) -> impl Iterator<Item = &'c str> {
        let (one, several) = match self {
            Self::One(value) => (Some(value), &[][..]),
            Self::Several(values) => (None, values),
        };
        one.into_iter().chain(several.iter().filter_map(Value::as_str))
    }
}

/// The claims of a payload. They are worth as much as the signature: verify that first, except to find out by which key.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims<'p>(Members<'p>);

impl<'p> Claims<'p> {
    /// Parses a payload: one JSON object without repeated members, at any depth.
    pub fn parse(payload: &'p [u8]) -> Result<Self, ClaimsError> {
        object::parse(payload).map(Self).map_err(|error| match error {
            ObjectError::NotAnObject => ClaimsError::NotAnObject,
            ObjectError::Duplicate(name) => {
                ClaimsError::Duplicate { name: text::bounded(&name, text::SHORT).into_owned() }
            }
        })
    }

    /// The same claims, independent of the payload.
    #[must_use]
    pub fn into_owned(self) -> Claims<'static> {
        Claims(self.0.into_owned())
    }

    /// The value of a claim, of any type.
    #[must_use]
    pub fn get(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim)
    }

    /// All claims.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter()
    }

    /// A claim that is a string, if it is present.
    pub fn string(&self, claim: &'static str) -> Result<Option<&str>, ClaimsError> {
        match self.0.get(claim) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value)),
            Some(_) => Err(ClaimsError::Type { claim, expected: "a string" }),
        }
    }

    /// A claim that must be a string.
    pub fn required_string(&self, claim: &'static str) -> Result<&str, ClaimsError> {
        self.string(claim)?.ok_or(ClaimsError::Missing { claim })
    }

    /// A NumericDate, if it is present; fractions of a second are dropped (RFC 7519 section 2).
    pub fn time(&self, claim: &'static str) -> Result<Option<Timestamp>, ClaimsError> {
        let Some(value) = self.0.get(claim) else { return Ok(None) };
        let seconds = value.as_i64().or_else(|| value.as_f64().and_then(whole));
        match seconds {
            Some(seconds) if (0..=MAX_DATE).contains(&seconds) => Ok(Some(Timestamp::from_unix(seconds))),
            _ => Err(ClaimsError::Type { claim, expected: "a number of seconds since 1970" }),
        }
    }

    /// A NumericDate that must be present.
    pub fn required_time(&self, claim: &'static str) -> Result<Timestamp, ClaimsError> {
        self.time(claim)?.ok_or(ClaimsError::Missing { claim })
    }

    /// `aud`: a string, or an array of at least one string.
    pub fn audience(&self) -> Result<Audience<'_>, ClaimsError> {
        match self.0.get("aud") {
            None => Err(ClaimsError::Missing { claim: "aud" }),
            Some(Value::String(value)) => Ok(Audience::One(value)),
            Some(Value::Array(values)) if !values.is_empty() && values.iter().all(Value::is_string) => {
                Ok(Audience::Several(values))
            }
            Some(_) => Err(ClaimsError::Type { claim: "aud", expected: "a string or an array of strings" }),
        }
    }
}

/// The whole seconds of a number, if it is between 0 and [`MAX_DATE`].
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the bounds are exact in both types, and the fraction is dropped on purpose"
)]
fn whole(number: f64) -> Option<i64> {
    (0.0..=MAX_DATE as f64).contains(&number).then_some(number as i64)
}
