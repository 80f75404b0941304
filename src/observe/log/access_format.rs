//! The operator's own format of access log lines: text with the fields of docs/log.md in braces.

use crate::text::{
    is_hidden,
    suggest::{all_of, did_you_mean, quote},
};

/// The Common Log Format of other servers, by its name in the configuration.
const COMMON: (&str, &str) =
    ("common", "{client_ip} - {client_id} [{clf_time}] \"{method} {path} {protocol}\" {status} {bytes_out}");

/// The time as the Common Log Format has it. No other format has this field.
pub(in crate::observe) const CLF_TIME: &str = "clf_time";
pub(in crate::observe) const TIMESTAMP: &str = "timestamp";
pub(in crate::observe) const LEVEL: &str = "level";

/// The fields that a format can have: those of the log, but for the constant ones.
const FIELDS: [&str; 34] = [
    TIMESTAMP,
    CLF_TIME,
    LEVEL,
    "request_id",
    "method",
    "path",
    "protocol",
    "status",
    "microseconds",
    "client_id",
    "credential",
    "code",
    "reason",
    "route",
    "upstream",
    "origin",
    "upstream_microseconds",
    "bytes_in",
    "bytes_out",
    "aborted",
    "authorization_request",
    "contradicted",
    "only_outside",
    "sampled",
    "trace_id",
    "client_ip",
    "domain",
    "tls_version",
    "cipher",
    "group",
    "resumed",
    "thumbprint",
    "subject",
    "issuer",
];

/// The most bytes of text around the fields, so that lines stay bounded.
const MAX_TEXT: usize = 512;

/// A format of access log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFormat(Box<[Part]>);

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::observe) enum Part {
    /// The same in each line.
    Text(Box<str>),
    /// The value of the field with this name.
    Field(&'static str),
}

/// Why a text is not a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFormat {
    /// What was found and what was expected.
    pub what: String,
    /// How to fix it.
    pub help: String,
}

impl InvalidFormat {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

impl AccessFormat {
    /// Reads `common`, or text with `{field}` for each value and `{{` for a brace.
    ///
    /// # Errors
    ///
    /// If a field is unknown or occurs twice, there is none, a brace is single, or the text is too long or has characters that end a line or are
    /// invisible.
    pub fn parse(text: &str) -> Result<Self, InvalidFormat> {
        let text = if text == COMMON.0 { COMMON.1 } else { text };
        if let Some(hidden) = text.chars().find(|c| is_hidden(*c)) {
            let what =
                format!("found the character U+{:04X}, expected one line of visible text", u32::from(hidden));
            return Err(InvalidFormat::new(what, "remove it: the line break after each line is added"));
        }
        let (mut parts, mut plain, mut bytes, mut rest) = (Vec::new(), String::new(), 0, text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, opened) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = opened.strip_prefix("{{").or_else(|| opened.strip_prefix("}}")) {
                plain.push(if opened.starts_with('{') { '{' } else { '}' });
                rest = after;
                continue;
            }
            let named = opened.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let Some((name, after)) = named else {
                let brace = opened.get(..1).unwrap_or_default();
                let what = format!("found a single {}, expected {{field}}", quote(brace));
                return Err(InvalidFormat::new(
                    what,
                    format!("write {brace}{brace} for the character itself"),
                ));
            };
            let field = field(name)?;
            if parts.contains(&Part::Field(field)) {
                let what = format!("found {{{field}}} a second time");
                return Err(InvalidFormat::new(what, "write each field once"));
            }
            bytes += plain.len();
            parts.push(Part::Text(std::mem::take(&mut plain).into()));
            parts.push(Part::Field(field));
            rest = after;
        }
        plain.push_str(rest);
        bytes += plain.len();
        parts.push(Part::Text(plain.into()));
        if bytes > MAX_TEXT {
            let what = format!("found {bytes} bytes of text around the fields, expected at most {MAX_TEXT}");
            return Err(InvalidFormat::new(what, "shorten it"));
        }
        if !parts.iter().any(|part| matches!(part, Part::Field(_))) {
            let what = format!("found {}, which has no {{field}}", quote(text));
            let known = format!(
                "write \"{}\", or a text such as \"{{timestamp}} {{status}} {{client_id}}\"",
                COMMON.0
            );
            return Err(InvalidFormat::new(what, did_you_mean(text, [COMMON.0]).unwrap_or(known)));
        }
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts.into()))
    }

    /// The parts of a line, without the line break.
    pub(in crate::observe) fn parts(&self) -> &[Part] {
        &self.0
    }
}

fn field(name: &str) -> Result<&'static str, InvalidFormat> {
    FIELDS.into_iter().find(|known| *known == name).ok_or_else(|| {
        let help = did_you_mean(name, FIELDS).unwrap_or_else(|| format!("the fields are {}", all_of(FIELDS)));
        InvalidFormat::new(format!("found {}, expected the name of a field", quote(name)), help)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_text_and_fields() {
        let format = AccessFormat::parse("[{clf_time}] {{\"s\":{status}}}").unwrap();
        let text = |text: &str| Part::Text(text.into());
        let expected =
            [text("["), Part::Field("clf_time"), text("] {\"s\":"), Part::Field("status"), text("}")];
        assert_eq!(format.parts(), expected);
        assert_eq!(AccessFormat::parse(COMMON.0), AccessFormat::parse(COMMON.1));
    }

    #[test]
    fn an_invalid_format_is_refused_with_help() {
        let long = format!("{{status}}{}", "a".repeat(MAX_TEXT + 1));
        for (text, what, help) in [
            ("{statsu}", "found \"statsu\", expected the name of a field", "did you mean \"status\"?"),
            ("{status", "found a single \"{\", expected {field}", "write {{ for the character itself"),
            ("status}", "found a single \"}\", expected {field}", "write }} for the character itself"),
            ("{status} {status}", "found {status} a second time", "write each field once"),
            ("commn", "found \"commn\", which has no {field}", "did you mean \"common\"?"),
            (
                "{status}\n",
                "found the character U+000A, expected one line of visible text",
                "remove it: the line break after each line is added",
            ),
            (long.as_str(), "found 513 bytes of text around the fields, expected at most 512", "shorten it"),
        ] {
            let expected = InvalidFormat::new(what, help);
            assert_eq!(AccessFormat::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn the_page_of_the_log_has_each_field() {
        let page = include_str!("../../../docs/log.md");
        for field in FIELDS {
            assert!(page.contains(&format!("| `{field}` |")) || field == CLF_TIME, "{field}");
        }
        let documented: Vec<_> =
            page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).collect();
        for (field, _) in documented {
            assert!(FIELDS.contains(&field) || ["message", "target"].contains(&field), "{field}");
        }
    }
}
