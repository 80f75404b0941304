//! The line of a request for a person at a terminal: what happened first, in one row where possible.

use super::{Field, Value, clock_time, escaped};
use crate::{
    observe::log::LogFormat,
    text::{SHORT, SHOWN},
};

/// How much of a request's id is shown: enough to find it in another log.
const ID: usize = 8;

const DIM: &str = "2";

/// The columns of a terminal for which the rows are made.
const COLUMNS: usize = 120;
/// The least that is shown of a path, in columns.
const PATH: usize = 16;
/// The most that is shown of a client's name, in columns.
const CLIENT: usize = 32;
/// What a further row begins with.
const INDENT: &str = "         ";

/// Appends time, status, method, path, client, duration, the reason of a refusal, who aborted a response, and the beginning of the
/// request's id. What does not fit into a row continues in the next one; a path that is too long is cut.
pub(super) fn write(line: &mut Vec<u8>, has_colours: bool, fields: &[Field<'_>]) {
    let field = |name: &str| fields.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
    let number = |name: &str| match field(name) {
        Some(Value::Number(number)) => number,
        _ => 0,
    };
    let word = |name: &str| word(field(name));
    // Without one, the request was cancelled.
    let status = number("status");
    let time = clock_time();
    let code = if status == 0 { "---".to_owned() } else { status.to_string() };
    let (method, path, client) = (word("method"), word("path"), cut(word("client_id"), CLIENT));
    let duration = duration(number("microseconds"));
    let aborted = match field("aborted") {
        Some(Value::Token(by)) => format!("aborted by {by}"),
        _ => String::new(),
    };
    let id = match field("request_id") {
        Some(Value::Token(id)) => id.get(..ID).unwrap_or(id),
        _ => "",
    };
    let (refusal, reason) = (word("code"), word("reason"));
    let others = [&time, &code, &method, &client, &duration, &refusal, &aborted, id];
    let taken: usize = others.iter().map(|part| columns(part) + usize::from(!part.is_empty())).sum();
    let path = cut(path, COLUMNS.saturating_sub(taken).max(PATH));
    let is_one_row = taken + columns(&path) + 1 + columns(&reason) <= COLUMNS;

    let mut row = Row { line, has_colours, is_first: true };
    row.word(&time, Some(DIM));
    row.word(&code, Some(colour_of(status)));
    for part in [&method, &path, &client, &duration, &refusal] {
        row.word(part, None);
    }
    if is_one_row {
        row.word(&reason, None);
    }
    row.word(&aborted, None);
    row.word(id, Some(DIM));
    if !is_one_row {
        further(row.line, &reason);
    }
    line.push(b'\n');
}

/// A row of words with a space between them.
struct Row<'a> {
    line: &'a mut Vec<u8>,
    has_colours: bool,
    is_first: bool,
}

impl Row<'_> {
    fn word(&mut self, text: &str, colour: Option<&str>) {
        if text.is_empty() {
            return;
        }
        if !self.is_first {
            self.line.push(b' ');
        }
        self.is_first = false;
        match colour.filter(|_| self.has_colours) {
            Some(colour) => self.line.extend_from_slice(format!("\x1b[{colour}m{text}\x1b[0m").as_bytes()),
            None => self.line.extend_from_slice(text.as_bytes()),
        }
    }
}

/// Appends a text in further rows.
fn further(line: &mut Vec<u8>, text: &str) {
    let mut left = 0;
    for word in text.split(' ') {
        let width = columns(word);
        if left < width + 1 {
            line.push(b'\n');
            line.extend_from_slice(INDENT.as_bytes());
            left = COLUMNS.saturating_sub(INDENT.len());
        } else {
            line.push(b' ');
            left -= 1;
        }
        let word = cut(word.to_owned(), left);
        left = left.saturating_sub(columns(&word));
        line.extend_from_slice(word.as_bytes());
    }
}

/// The text of a field with its escapes; empty without one.
fn word(value: Option<Value<'_>>) -> String {
    let (text, limit) = match value {
        Some(Value::Token(text) | Value::Text(text)) => (text, SHOWN),
        Some(Value::Word(text)) => (text, SHORT),
        Some(Value::Number(_) | Value::Decimal(_) | Value::Flag(_)) | None => return String::new(),
    };
    let mut word = Vec::new();
    escaped(&mut word, (text, limit), LogFormat::Text, false);
    String::from_utf8(word).unwrap_or_default()
}

/// The columns that a text takes, if none of its characters is wide.
fn columns(text: &str) -> usize {
    text.chars().count()
}

/// A text of at most this many columns, with an ellipsis if it was cut.
fn cut(text: String, most: usize) -> String {
    if columns(&text) <= most {
        return text;
    }
    text.chars().take(most.saturating_sub(1)).chain(['\u{2026}']).collect()
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
    fn no_row_is_longer_than_the_terminal() {
        let long = "certificate matches no subject registered for \"billing\": expected \"CN=billing,O=Example Bank,C=DE\", found \"CN=other\"";
        let path = format!("/{}", "a/".repeat(200));
        for (reason, path, rows) in [
            ("no client certificate", "/oauth/token", 1),
            (long, "/oauth/token", 3),
            (long, &path, 3),
            (&long.replace(' ', "_"), &path, 2),
            (&format!("{long} {long}"), &path, 4),
        ] {
            let mut fields = REFUSED;
            fields[2].1 = Some(Value::Text(path));
            fields[5].1 = Some(Value::Text("a-client-with-a-name-of-more-than-32-characters"));
            fields[7].1 = Some(Value::Text(reason));
            let shown = shown(false, &fields);
            let widths: Vec<usize> = shown.lines().map(columns).collect();
            assert!(
                widths.len() <= rows && widths.iter().all(|width| *width <= COLUMNS),
                "{widths:?} {shown}"
            );
            assert!(shown.contains(" 401 POST /") && shown.contains("1.8ms no_certificate"), "{shown}");
            assert!(shown.lines().next().unwrap().ends_with("9f1c6b0e"), "{shown}");
        }
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
