//! Values that are not tables or lists: strings, numbers, durations, choices.

use std::{fmt::Display, ops::RangeInclusive, path::PathBuf, time::Duration};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use toml::de::DeValue;

use super::{Value, article, guess};
use crate::clock::Timestamp;
use crate::config::{
    diagnostic::Fault,
    pkcs11_uri::is_uri,
    span::Spanned,
    suggest::{any_of, did_you_mean, quote},
    variable::variable,
};

/// What messages call a path.
const PATH: &str = "the path of a file";

impl Value<'_> {
    /// A string that is not empty.
    pub(in crate::config) fn string(&self) -> Option<Spanned<String>> {
        self.parse("a string", |text| Ok(text.to_owned()))
    }

    /// A string that `read` parses. `expected` names it in messages.
    pub(in crate::config) fn parse<T>(
        &self,
        expected: &str,
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<Spanned<T>> {
        let DeValue::String(text) = self.toml else {
            // A number is probably not the name of a file.
            let meant = if expected == PATH && !self.toml.is_array() {
                None
            } else {
                guess::string(self, |text| read(text).map(|_| ()))
            };
            return self.wrong_type_with(expected, meant.as_deref());
        };
        if text.is_empty() {
            return self.refuse(
                Fault::new(format!("found an empty string, expected {expected}")).help(self.write_example()),
            );
        }
        match read(text) {
            Ok(value) => Some(self.locate(value)),
            Err(_) if self.is_expanded() && self.is_secret() => {
                let what =
                    format!("found the value of a variable, which may be a secret, expected {expected}");
                self.refuse(Fault::new(what).help("set the variable to such a value"))
            }
            Err(fault) => {
                self.refuse(guess::invisible_fault(self, text, |text| read(text).is_ok()).unwrap_or(fault))
            }
        }
    }

    /// A path, resolved against the folder of the configuration file.
    pub(in crate::config) fn path(&self) -> Option<Spanned<PathBuf>> {
        self.parse(PATH, |text| {
            if text.contains("-----BEGIN") {
                let what = "found the text of a PEM file, expected the path of a file";
                return Err(Fault::new(what).help(self.write_example()));
            }
            if is_uri(text) {
                let what =
                    "found a PKCS#11 URI, expected the path of a file: only private keys are in tokens";
                return Err(Fault::new(what).help(self.write_example()));
            }
            if text.contains('\0') {
                let what = format!("found {}, expected the path of a file", quote(text));
                return Err(Fault::new(what).help(self.write_example()));
            }
            Ok(self.reader.folder.join(text))
        })
    }

    /// One of these names.
    pub(in crate::config) fn choice<T: Copy>(&self, names: &[(&str, T)]) -> Option<Spanned<T>> {
        let expected = any_of(names.iter().map(|(name, _)| format!("{name:?}")));
        self.parse(&expected, |text| {
            if let Some((_, value)) = names.iter().find(|(name, _)| *name == text) {
                return Ok(*value);
            }
            let what = format!("found {}, expected {expected}", quote(text));
            let help = did_you_mean(text, names.iter().map(|(name, _)| *name));
            Err(Fault::new(what).help(help.unwrap_or_else(|| self.write_example())))
        })
    }

    /// `true` or `false`.
    pub(in crate::config) fn boolean(&self) -> Option<bool> {
        match self.toml {
            DeValue::Boolean(value) => Some(*value),
            DeValue::String(text) if self.is_variable() && matches!(&**text, "true" | "false") => {
                Some(text == "true")
            }
            _ => self.wrong_type_with("true or false", guess::boolean(self).as_deref()),
        }
    }

    /// A whole number within a range.
    pub(in crate::config) fn integer<T>(&self, range: &RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + Display,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let (number, value) = match self.toml {
            DeValue::Integer(number) => {
                (number.as_str(), i128::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::String(text) if self.is_variable() && is_integer(text) => (&**text, text.parse().ok()),
            _ => return self.wrong_type_with(&expected, guess::integer(self, range).as_deref()),
        };
        if let Some(value) =
            value.and_then(|value| T::try_from(value).ok()).filter(|value| range.contains(value))
        {
            return Some(value);
        }
        // A number outside of i128 is too large, unless it is negative.
        let is_negative = value.map_or(number.starts_with('-'), |value| value < 1);
        let is_small = is_negative
            || value.and_then(|value| T::try_from(value).ok()).is_some_and(|value| value < *range.start());
        let (bound, side) = if is_small { (range.start(), "more") } else { (range.end(), "less") };
        let help = format!(
            "{} or {side}; without the key its default applies",
            self.write(Some(&bound.to_string()))
        );
        self.refuse(Fault::new(format!("found {number}, expected {expected}")).help(help))
    }

    /// A number from 0 to 1.
    pub(in crate::config) fn fraction(&self) -> Option<f64> {
        const EXPECTED: &str = "a number from 0 to 1";
        let (found, value) = match self.toml {
            DeValue::Float(number) => (number.as_str(), number.as_str().replace('_', "").parse::<f64>().ok()),
            DeValue::Integer(number) => (number.as_str(), number.as_str().parse::<f64>().ok()),
            DeValue::String(text) if self.is_variable() && text.parse::<f64>().is_ok() => {
                (&**text, text.parse().ok())
            }
            DeValue::String(text) if text.parse::<f64>().is_ok() => {
                return self.wrong_type_with(EXPECTED, Some(text));
            }
            _ => return self.wrong_type_with(EXPECTED, None),
        };
        if let Some(value) = value.filter(|value| (0.0..=1.0).contains(value)) {
            return Some(value);
        }
        self.refuse(Fault::new(format!("found {found}, expected {EXPECTED}")).help(self.write_example()))
    }

    /// A duration such as `"10s"`, within a range.
    pub(in crate::config) fn duration(&self, range: &RangeInclusive<Duration>) -> Option<Duration> {
        const EXAMPLES: &str = "write it as \"500ms\", \"10s\" or \"2m\"";
        let [shortest, longest] = [range.start(), range.end()].map(|end| humantime::format_duration(*end));
        let expected = format!("a duration from {shortest} to {longest}");
        if let DeValue::Integer(number) = self.toml {
            let what = format!("found integer {number}, expected {expected} with its unit");
            return self.refuse(Fault::new(what).help(format!("write \"{number}s\"")));
        }
        let read = |text: &str| {
            let found = quote(text);
            let fault = |found: String| Fault::new(format!("found {found}, expected {expected}"));
            let value = humantime::parse_duration(text).map_err(|_| {
                let is_number = text.bytes().all(|b| b.is_ascii_digit());
                let meant = if is_number { format!("write \"{text}s\"") } else { EXAMPLES.to_owned() };
                fault(found.clone()).help(meant)
            })?;
            if range.contains(&value) {
                return Ok(value);
            }
            let (bound, side) = if value < *range.start() { (&shortest, "more") } else { (&longest, "less") };
            let line = self.write(Some(&format!("\"{bound}\"")));
            Err(fault(found).help(format!("{line} or {side}; without the key its default applies")))
        };
        self.parse(&expected, read).map(|located| located.value)
    }

    /// A point in time, as TOML writes it with its offset: `2027-06-30T00:00:00Z`.
    pub(in crate::config) fn timestamp(&self) -> Option<Spanned<Timestamp>> {
        const EXPECTED: &str = "a date and time with an offset, such as 2027-06-30T00:00:00Z";
        let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
        let meant = match self.toml {
            DeValue::Datetime(value) => {
                if let Some(time) = parse(&value.to_string()) {
                    return Some(self.locate(time.into()));
                }
                let text = if value.time.is_some() { value.to_string() } else { format!("{value}T00:00:00") };
                let with_offset = format!("{text}Z");
                (value.offset.is_none() && parse(&with_offset).is_some()).then_some(with_offset)
            }
            DeValue::String(text) => parse(text).map(|_| text.to_string()),
            _ => None,
        };
        self.wrong_type_with(EXPECTED, meant.as_deref())
    }

    /// Whether the string is written as one variable, which may stand for a number or a boolean.
    fn is_variable(&self) -> bool {
        let inner = self.written().trim_matches(['"', '\'']);
        self.is_expanded() && inner.starts_with("${") && inner.find('}') == inner.len().checked_sub(1)
    }

    /// Reports a value of the wrong type, with the value that was probably meant, as TOML writes it.
    pub(super) fn wrong_type_with<T>(&self, expected: &str, meant: Option<&str>) -> Option<T> {
        self.refuse(self.wrong_type_fault(expected, meant))
    }

    pub(super) fn wrong_type_fault(&self, expected: &str, meant: Option<&str>) -> Fault {
        let found = match self.toml {
            _ if self.is_secret() => {
                let found = self.toml.type_str();
                format!("{} {found}", article(found))
            }
            DeValue::String(text) => format!("string {}", quote(text)),
            DeValue::Integer(number) => format!("integer {number}"),
            DeValue::Float(number) => format!("float {number}"),
            DeValue::Boolean(value) => format!("boolean {value}"),
            DeValue::Datetime(value) => format!("date {value}"),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        if self.is_expanded() {
            let fault = Fault::new(format!("found {found}, expected {expected}"));
            return fault.help("set the variable to such a value, or write the value itself");
        }
        let found_variable = self.toml.as_str().and_then(variable);
        let why = if found_variable.is_some() { ": such variables are not expanded" } else { "" };
        let fault = Fault::new(format!("found {found}, expected {expected}{why}"));
        let has_help = meant.is_some() || !self.example.1.is_empty();
        if has_help { fault.help(self.write(meant)) } else { fault }
    }

    /// Help: the line to write, with the value that was probably meant, or with an example.
    pub(super) fn write(&self, meant: Option<&str>) -> String {
        let (name, example) = self.example;
        format!("write {name} = {}", meant.unwrap_or(example))
    }

    pub(in crate::config) fn write_example(&self) -> String {
        self.write(None)
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
