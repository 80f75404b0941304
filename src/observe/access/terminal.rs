//! The line of a request for a person at a terminal: what happened first, in one row where possible.

use super::{Field, Value, clock_time, escaped};
use crate::{
    observe::log::LogFormat,
    text::{SHORT, SHOWN},
};

/// How much of a request's id is shown: enough to find it in another log.
const ID: usize = 8;

const DIM: &str = "2";

/// Appends time, status, method, path, client, duration, the reason of a refusal, who aborted a response, and the beginning of the
/// request's id.
pub(super) fn write(line: &mut Vec<u8>, has_colours: bool, fields: &[Field<'_>]) {
    let field = |name: &str| fields.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
    let number = |name: &str| match field(name) {
        Some(Value::Number(number)) => number,
        _ => 0,
    };
    let painted = |line: &mut Vec<u8>, colour: &str, text: &str| {
        if has_colours {
            line.extend_from_slice(format!("\x1b[{colour}m{text}\x1b[0m").as_bytes());
        } else {
            line.extend_from_slice(text.as_bytes());
        }
    };
    // Without one, the request was cancelled.
    let status = number("status");
    painted(line, DIM, &clock_time());
    line.push(b' ');
    let digits = status.to_string();
    painted(line, colour_of(status), if status == 0 { "---" } else { &digits });
    for name in ["method", "path", "client_id"] {
        word(line, field(name));
    }
    line.push(b' ');
    line.extend_from_slice(duration(number("microseconds")).as_bytes());
    for name in ["code", "reason"] {
        word(line, field(name));
    }
    if let Some(Value::Token(by)) = field("aborted") {
        line.extend_from_slice(b" aborted by ");
        line.extend_from_slice(by.as_bytes());
    }
    if let Some(Value::Token(id)) = field("request_id") {
        line.push(b' ');
        painted(line, DIM, id.get(..ID).unwrap_or(id));
    }
    line.push(b'\n');
}

fn word(line: &mut Vec<u8>, value: Option<Value<'_>>) {
    let (text, limit) = match value {
        Some(Value::Token(text) | Value::Text(text)) => (text, SHOWN),
        Some(Value::Word(text)) => (text, SHORT),
        Some(Value::Number(_) | Value::Decimal(_) | Value::Flag(_)) | None => return,
    };
    line.push(b' ');
    escaped(line, (text, limit), LogFormat::Text);
}

const fn colour_of(status: u64) -> &'static str {
    match status {
        200..300 => "32",
        300..400 => "36",
        0..200 | 400..500 => "33",
        _ => "31",
    }
}

/// A duration with two or three digits, in the unit that a person would choose.
fn duration(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds}µs"),
        1_000..1_000_000 => tenths(microseconds / 100, "ms"),
        _ => tenths(microseconds / 100_000, "s"),
    }
}

fn tenths(tenths: u64, unit: &str) -> String {
    if tenths < 100 {
        format!("{}.{}{unit}", tenths / 10, tenths % 10)
    } else {
        format!("{}{unit}", tenths / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(has_colours: bool, fields: &[Field<'_>]) -> String {
        let mut line = Vec::new();
        write(&mut line, has_colours, fields);
        String::from_utf8(line).unwrap()
    }

    const REFUSED: [Field<'static>; 8] = [
        ("request_id", Some(Value::Token("9f1c6b0e4a5d4c7f8b3a2d1e0f9c8b7a"))),
        ("method", Some(Value::Token("POST"))),
        ("path", Some(Value::Text("/oauth/token"))),
        ("status", Some(Value::Number(401))),
        ("microseconds", Some(Value::Number(1_840))),
        ("client_id", Some(Value::Text("billing"))),
        ("code", Some(Value::Token("no_certificate"))),
        ("reason", Some(Value::Text("no client\ncertificate"))),
    ];

    #[test]
    fn a_line_on_a_terminal_begins_with_what_happened() {
        let line = shown(false, &REFUSED);
        assert_eq!(line.as_bytes()[2], b':');
        assert_eq!(
            &line[8..],
            " 401 POST /oauth/token billing 1.8ms no_certificate no client\\ncertificate 9f1c6b0e\n"
        );
        assert!(line.len() <= 120, "{line}");
        assert!(shown(true, &REFUSED).contains("\u{1b}[33m401\u{1b}[0m"));
    }

    #[test]
    fn an_aborted_request_says_by_whom() {
        let line = shown(
            false,
            &[
                ("method", Some(Value::Token("GET"))),
                ("microseconds", Some(Value::Number(7))),
                ("aborted", Some(Value::Token("client"))),
            ],
        );
        assert_eq!(&line[8..], " --- GET 7µs aborted by client\n");
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        let all = [0, 840, 1_840, 12_345, 999_999, 2_100_000, 75_000_000].map(duration);
        assert_eq!(all, ["0µs", "840µs", "1.8ms", "12ms", "999ms", "2.1s", "75s"]);
    }
}
