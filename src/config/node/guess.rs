//! What an operator probably meant by a value that cannot be used, as TOML writes it. Possible secrets are never repeated.

use std::ops::RangeInclusive;

use toml::de::DeValue;

use super::Value;
use crate::{
    config::{diagnostic::Fault, suggest::quote, variable::variable},
    text::is_hidden,
};

/// The value as it is written, if it can be shown.
fn written<'a>(value: &Value<'a>) -> Option<&'a str> {
    let span = value.span.range.clone();
    let text = value.reader.source.text().get(span).filter(|text| !text.contains('\n'))?;
    (!value.span.is_secret()).then_some(text)
}

/// The string that was meant by a number, a boolean or a list of one string, if `read` accepts it.
pub(super) fn string(value: &Value<'_>, read: impl Fn(&str) -> Result<(), Fault>) -> Option<String> {
    let written = written(value)?;
    let text = match value.toml {
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => written,
        DeValue::Array(items) => match items.iter().collect::<Vec<_>>().as_slice() {
            [only] => only.get_ref().as_str()?,
            _ => return None,
        },
        _ => return None,
    };
    match read(text) {
        Ok(()) => Some(quote(text)),
        // The help for a port without an address has the whole address.
        Err(fault) => {
            fault.help?.strip_prefix("write ").filter(|text| text.starts_with('"')).map(str::to_owned)
        }
    }
}

/// The boolean that was meant by another word for it.
pub(super) fn boolean(value: &Value<'_>) -> Option<String> {
    let text = written(value)?.trim_matches(['"', '\'']).trim().to_ascii_lowercase();
    match text.as_str() {
        "true" | "yes" | "on" | "1" | "enabled" => Some("true".to_owned()),
        "false" | "no" | "off" | "0" | "disabled" => Some("false".to_owned()),
        _ => None,
    }
}

/// The whole number that was meant by a number in quotes, with the fraction `.0`, or with a unit of size.
pub(super) fn integer<T>(value: &Value<'_>, range: &RangeInclusive<T>) -> Option<String>
where
    T: TryFrom<i128> + PartialOrd,
{
    let text = written(value)?.trim_matches(['"', '\'']).trim();
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

/// The list that was meant by one string with commas, or by a port.
pub(super) fn list(value: &Value<'_>) -> Option<String> {
    let written = written(value)?;
    if let (DeValue::Integer(_), "https") = (value.toml, value.key) {
        return Some(format!("[\"0.0.0.0:{written}\"]"));
    }
    let items: Vec<String> =
        value.toml.as_str()?.split(',').map(str::trim).filter(|item| !item.is_empty()).map(quote).collect();
    (!items.is_empty()).then(|| format!("[{}]", items.join(", ")))
}

/// Why a text is invalid that looks valid: whitespace at its ends, invisible characters, or a variable. `works` tests whether
/// another text is valid.
pub(super) fn unseen(value: &Value<'_>, text: &str, works: impl Fn(&str) -> bool) -> Option<Fault> {
    let is_secret = value.span.is_secret();
    let shown = || if is_secret { "a value".to_owned() } else { quote(text) };
    let fault = |what: &str, meant: &str| {
        let fault = Fault::new(format!("found {}, which {what}", shown()));
        if is_secret { fault.help("remove it") } else { fault.help(format!("write {}", quote(meant))) }
    };
    let trimmed = text.trim();
    if trimmed != text && works(trimmed) {
        return Some(fault(&whitespace_at_its_ends(text), trimmed));
    }
    if let Some(hidden) = text.chars().find(|c| is_hidden(*c)) {
        let plain: String = trimmed.chars().filter(|c| !is_hidden(*c)).collect();
        if works(&plain) {
            return Some(fault(
                &format!("contains an invisible character (U+{:04X})", u32::from(hidden)),
                &plain,
            ));
        }
    }
    let variable = variable(text)?;
    let what = format!("found {}: variables are not expanded", shown());
    Some(if is_secret {
        Fault::new(what).help("write the value itself")
    } else {
        Fault::new(what).help(format!("write the value itself in place of {variable}"))
    })
}

/// Describes whitespace at the ends of a text: `begins with a space`, `ends with a tab`.
fn whitespace_at_its_ends(text: &str) -> String {
    let name = |c: char| match c {
        ' ' => "a space",
        '\t' => "a tab",
        '\r' | '\n' => "a line break",
        _ => "a blank character",
    };
    let first = text.chars().next().filter(|c| c.is_whitespace());
    let last = text.chars().next_back().filter(|c| c.is_whitespace());
    match (first, last) {
        (Some(first), None) => format!("begins with {}", name(first)),
        (_, Some(last)) => format!("ends with {}", name(last)),
        (None, None) => "is not as it looks".to_owned(),
    }
}
