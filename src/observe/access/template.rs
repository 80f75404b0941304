//! A line in the operator's own format.

use super::{Field, Fragment, Level, Value, decimal, escaped, now};
use crate::{
    observe::log::{AccessFormat, CLF_TIME, LEVEL, LogFormat, Part, TIMESTAMP},
    text::{SHORT, SHOWN, bounded},
};

/// What stands for a field without a value.
const ABSENT: &[u8] = b"-";

/// Appends the line. Values are escaped as within quotes, so that none ends a quoted text or the line.
pub(super) fn write(
    line: &mut Vec<u8>,
    (format, escapes): (&AccessFormat, LogFormat),
    level: Level,
    fields: &[Field<'_>],
    fragments: [Option<&Fragment>; 2],
) {
    for part in format.parts() {
        let name = match part {
            Part::Text(text) => {
                line.extend_from_slice(text.as_bytes());
                continue;
            }
            Part::Field(name) => *name,
        };
        match name {
            TIMESTAMP => now(line),
            CLF_TIME => clf_time(line),
            LEVEL => line.extend_from_slice(level.name().as_bytes()),
            _ => {
                let own = || fields.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
                let of =
                    |fragment: &Fragment| fragment.value(name).map(|value| line.extend_from_slice(value));
                if fragments.into_iter().flatten().find_map(of).is_none() {
                    match own() {
                        Some(own) => value(line, own, escapes),
                        None => line.extend_from_slice(ABSENT),
                    }
                }
            }
        }
    }
    line.push(b'\n');
}

/// Appends a value without quotes.
pub(super) fn value(line: &mut Vec<u8>, value: Value<'_>, escapes: LogFormat) {
    match value {
        Value::Token(token) => line.extend_from_slice(bounded(token, SHOWN).as_bytes()),
        Value::Text(text) => escaped(line, (text, SHOWN), escapes, true),
        Value::Word(text) => escaped(line, (text, SHORT), escapes, true),
        Value::Number(number) => decimal(line, number),
        Value::Decimal(digits) => line.extend_from_slice(digits.as_bytes()),
        Value::Flag(flag) => line.extend_from_slice(if flag { b"true" } else { b"false" }),
    }
}

/// Appends the time as `29/Nov/2026:09:30:00 +0000`.
fn clf_time(line: &mut Vec<u8>) {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut time = Vec::with_capacity(32);
    now(&mut time);
    let time = String::from_utf8_lossy(&time);
    let part = |range: std::ops::Range<usize>| time.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
    for text in [part(8..10), "/", month.unwrap_or(&""), "/", part(0..4), ":", part(11..19), " +0000"] {
        line.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\"b\\c\nd\u{202e}";

    fn written(format: &str, escapes: LogFormat) -> String {
        let format = AccessFormat::parse(format).unwrap();
        let fields = [
            ("path", Some(Value::Text(HOSTILE))),
            ("status", Some(Value::Number(401))),
            ("credential", None),
        ];
        let connection = Fragment::in_format(
            &[("client_ip", Some(Value::Token("192.0.2.7"))), ("subject", Some(Value::Text(HOSTILE)))],
            escapes,
            true,
        );
        let mut line = Vec::new();
        write(&mut line, (&format, escapes), Level::Warn, &fields, [Some(&connection), None]);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_has_the_values_and_a_dash_for_none() {
        let line = written("{client_ip} {level} {status} {credential} {code}|", LogFormat::Text);
        assert_eq!(line, "192.0.2.7 WARN 401 - -|\n");
    }

    #[test]
    fn no_value_ends_a_quoted_text_or_the_line() {
        let line = written("\"{path}\" \"{subject}\"", LogFormat::Text);
        let hostile = "a\\\"b\\\\c\\nd\\u{202e}";
        assert_eq!(line, format!("\"{hostile}\" \"{hostile}\"\n"));
        let line =
            written("{{\"path\":\"{path}\",\"status\":{status},\"subject\":\"{subject}\"}}", LogFormat::Json);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read, serde_json::json!({ "path": HOSTILE, "status": 401, "subject": HOSTILE }));
    }

    #[test]
    fn the_time_of_the_common_log_format_is_that_of_the_log() {
        let line = written("{clf_time} {timestamp}", LogFormat::Text);
        let (clf, rfc3339) = line.split_at(26);
        let format =
            time::macros::format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second]");
        let clf = time::PrimitiveDateTime::parse(clf.trim_end_matches(" +0000"), format).unwrap();
        let rfc3339 =
            time::OffsetDateTime::parse(rfc3339.trim(), &time::format_description::well_known::Rfc3339)
                .unwrap();
        assert!((rfc3339 - clf.assume_utc()).whole_seconds() <= 1, "{line}");
    }
}
