//! Guesses the intended value from an invalid one, and returns it as TOML. Possible secrets are never quoted.

use std::ops::RangeInclusive;

use toml::de::DeValue;

use super::Value;
use crate::{
    config::{
        diagnostic::Fault,
        suggest::quote,
        variable::{in_place_of, variable},
    },
    text::is_hidden,
};

/// The value's source text, if it is on one line and not a secret.
fn source_text<'a>(value: &Value<'a>) -> Option<&'a str> {
    let text = Some(value.written()).filter(|text| !text.contains('\n'))?;
    (!value.is_secret()).then_some(text)
}

/// The string to write in place of a number, a boolean or a list of one string, if `read` accepts it.
pub(super) fn string(value: &Value<'_>, read: impl Fn(&str) -> Result<(), Fault>) -> Option<String> {
    let source = source_text(value)?;
    let text = match value.toml {
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => source,
        DeValue::Array(items) => match items.iter().collect::<Vec<_>>().as_slice() {
            [only] => only.get_ref().as_str()?,
            _ => return None,
        },
        _ => return None,
    };
    match read(text) {
        Ok(()) => Some(quote(text)),
        // The help for a port without an address contains the complete address.
        Err(fault) => {
            fault.help?.strip_prefix("write ").filter(|text| text.starts_with('"')).map(str::to_owned)
        }
    }
}

/// The boolean to write in place of another word for it.
pub(super) fn boolean(value: &Value<'_>) -> Option<String> {
    let text = source_text(value)?.trim_matches(['"', '\'']).trim().to_ascii_lowercase();
    match text.as_str() {
        "true" | "yes" | "on" | "1" | "enabled" => Some("true".to_owned()),
        "false" | "no" | "off" | "0" | "disabled" => Some("false".to_owned()),
        _ => None,
    }
}

/// The integer to write in place of a number in quotes, with the fraction `.0`, or with a unit of size.
pub(super) fn integer<T>(value: &Value<'_>, range: &RangeInclusive<T>) -> Option<String>
where
    T: TryFrom<i128> + PartialOrd,
{
    let text = source_text(value)?.trim_matches(['"', '\'']).trim();
    let text = text.replace(['_', ',', ' '], "").to_ascii_lowercase();
    let text = text.strip_suffix(".0").unwrap_or(&text);
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let factor: i128 = match unit {
        "" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?.parse::<i128>().ok()?.checked_mul(factor)?;
    T::try_from(number).ok().filter(|number| range.contains(number)).map(|_| number.to_string())
}

/// The list to write in place of one string with commas, or of a port.
pub(super) fn list(value: &Value<'_>) -> Option<String> {
    let source = source_text(value)?;
    if let (DeValue::Integer(_), "https") = (value.toml, value.key) {
        return Some(format!("[\"0.0.0.0:{source}\"]"));
    }
    let items = value.toml.as_str()?.split(',').map(str::trim).filter(|item| !item.is_empty());
    // A port without an address would be refused in turn.
    let complete = |item: &str| match item.strip_prefix('*').unwrap_or(item) {
        port if value.key == "https" && is_port(port) => {
            quote(&format!("0.0.0.0:{}", port.trim_start_matches(':')))
        }
        _ => quote(item),
    };
    let items: Vec<String> = items.map(complete).collect();
    (!items.is_empty()).then(|| format!("[{}]", items.join(", ")))
}

/// Whether a text is `:8443` or `8443`.
fn is_port(text: &str) -> bool {
    text.strip_prefix(':').unwrap_or(text).parse::<u16>().is_ok()
}

/// Explains why a text that looks valid is invalid: outer whitespace, invisible characters, or a variable. `is_valid` tests another
/// text.
pub(super) fn invisible_fault(
    value: &Value<'_>,
    text: &str,
    is_valid: impl Fn(&str) -> bool,
) -> Option<Fault> {
    let is_secret = value.is_secret();
    let shown = || if is_secret { "a value".to_owned() } else { quote(text) };
    let fault = |what: &str, intended: &str| {
        let fault = Fault::new(format!("found {}, which {what}", shown()));
        if is_secret { fault.help("remove it") } else { fault.help(format!("write {}", quote(intended))) }
    };
    let trimmed = text.trim();
    if trimmed != text && is_valid(trimmed) {
        return Some(fault(&describe_outer_whitespace(text), trimmed));
    }
    if let Some(hidden) = text.chars().find(|c| is_hidden(*c)) {
        let plain: String = trimmed.chars().filter(|c| !is_hidden(*c)).collect();
        if is_valid(&plain) {
            return Some(fault(
                &format!("contains an invisible character (U+{:04X})", u32::from(hidden)),
                &plain,
            ));
        }
    }
    // A format of log lines may have them as other programs write fields.
    if value.is_expanded() || value.key == "access_format" {
        return None;
    }
    let variable = variable(text)?;
    let what = format!("found {}: such variables are not expanded", shown());
    Some(if is_secret {
        Fault::new(what).help("write the value itself")
    } else {
        Fault::new(what).help(in_place_of(variable, value.kind.is_of_edge()))
    })
}

/// Describes the whitespace around a text: `begins with a space`, `ends with a tab`.
fn describe_outer_whitespace(text: &str) -> String {
    let name = |c: char| match c {
        ' ' => "a space",
        '\t' => "a tab",
        '\r' | '\n' => "a line break",
        _ => "whitespace",
    };
    let first = text.chars().next().filter(|c| c.is_whitespace());
    let last = text.chars().next_back().filter(|c| c.is_whitespace());
    match (first, last) {
        (Some(first), None) => format!("begins with {}", name(first)),
        (_, Some(last)) => format!("ends with {}", name(last)),
        (None, None) => "has no outer whitespace".to_owned(),
    }
}
