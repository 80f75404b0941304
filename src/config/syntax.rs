//! Text that is not TOML: what is wrong with it, and the line as it should be.
//!
//! The parser says what it would have accepted at one point. Here the whole line is looked at: what an operator meant is often plain.

use toml::de::{DeTable, DeValue};

use super::{
    diagnostic::Problem,
    public_key,
    reader::Reader,
    schema::{TABLES, TableSchema, bare},
    span::Span,
};

/// Quotation marks that word processors, chats and web pages put in place of `"` and `'`.
const TYPOGRAPHIC: &str =
    "\u{201c}\u{201d}\u{201e}\u{201f}\u{2018}\u{2019}\u{201a}\u{201b}\u{ab}\u{bb}\u{2033}\u{ff02}";

/// For how many errors the document is searched.
const WALKS: usize = 100;

/// What the parser says of the lines after one that is not closed.
const UNCLOSED: [&str; 2] = ["missing comma between key-value pairs", "missing key for inline table element"];

/// A JWK with a chain of certificates may be this long.
const LONGEST_JWK: usize = 1 << 16;

/// A longer line is nothing that an operator would compare by eye.
const LONGEST: usize = 500;

/// Reports the errors of a text. One slip can make the parser stumble several times: only its first error on each line is reported.
pub(super) fn report(reader: &Reader, text: &str, document: &DeTable<'_>, errors: &[toml::de::Error]) {
    if text.trim_start().starts_with('{') {
        let start = text.len() - text.trim_start().len();
        let what = "this is not TOML: it begins with {, as JSON does";
        let help =
            "write tables as [listen] and values as name = \"value\"; `mtls-edge init DIR` writes an example";
        return reader.report(Problem::error(&reader.span(start..start + 1), "", what).help(help));
    }
    let end = text.len();
    let mut spans: Vec<_> =
        errors.iter().map(|error| (reader.span(error.span().unwrap_or(end..end)), error)).collect();
    spans.sort_by_key(|(span, _)| span.range.start);
    spans.dedup_by_key(|(span, _)| span.line());
    // After a value or a table in braces that is not closed, the lines that follow are errors, too.
    let mut number = 0;
    spans.retain(|(_, error)| {
        number += 1;
        number == 1 || !UNCLOSED.iter().any(|message| error.message().starts_with(message))
    });
    for (number, (span, error)) in spans.into_iter().enumerate() {
        let (what, help) = match error.message() {
            // To find the first one takes a walk through the whole document.
            _ if is_jwk(reader, &span) => {
                ("found a JWK in JSON".to_owned(), Some(public_key::HELP.to_owned()))
            }
            "duplicate key" if number < WALKS => duplicate(reader, text, document, error),
            message => slip(&span, message),
        };
        reader.report(Problem { help, ..Problem::error(&span, "", format!("this is not TOML: {what}")) });
    }
}

/// Whether the line has a JWK (RFC 7517) as JSON writes it.
fn is_jwk(reader: &Reader, span: &Span) -> bool {
    let line = reader.source.text().lines().nth(span.line().saturating_sub(1));
    line.is_some_and(|line| line.len() <= LONGEST_JWK && line.contains("\"kty\""))
}

/// A key or a table that is there twice.
fn duplicate(
    reader: &Reader,
    text: &str,
    document: &DeTable<'_>,
    error: &toml::de::Error,
) -> (String, Option<String>) {
    const WHAT: &str = "duplicate key";
    let span = error.span().unwrap_or_default();
    let is_secret = reader.span(span.clone()).is_secret();
    let key = text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
    let before = text.get(..span.start).unwrap_or_default();
    let is_header = before.rsplit('\n').next().is_some_and(|before| before.trim_start().starts_with('['));
    let mut first = if is_header { header_before(before, key) } else { key_before(before, key) };
    if first.is_none() {
        nearest_before(document, key, span.start, &mut first);
    }
    let Some(first) = first else {
        let help = if is_header { "write all keys of a table in one place" } else { "remove one of the two" };
        return (WHAT.to_owned(), Some(help.to_owned()));
    };
    let line = reader.span(first..first).line();
    let help = if is_secret {
        format!("it is on line {line} already: remove one of the two")
    } else if !is_header {
        format!("{} is on line {line} already: remove one of the two", bare(key))
    } else if let Some(kind) = listed(key) {
        format!("write {} in double brackets, here and on line {line}", kind.heading)
    } else {
        format!("[{}] begins on line {line} already: put its keys there", bare(key))
    };
    (WHAT.to_owned(), Some(help))
}

/// The kind of table of which there can be several, by the last part of its name.
fn listed(name: &str) -> Option<&'static TableSchema> {
    TABLES
        .iter()
        .copied()
        .find(|kind| kind.heading.starts_with("[[") && kind.path.rsplit('.').next() == Some(name))
}

/// Where the last table of this name begins. Of two of one name the parser keeps one.
fn header_before(text: &str, name: &str) -> Option<usize> {
    let is_header = |line: &str| {
        let line = uncommented(line).trim();
        line.starts_with('[') && line.trim_matches(['[', ']']).rsplit('.').next().map(str::trim) == Some(name)
    };
    let lines = text.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some((*end - line.len(), line))
    });
    // The last line is that of the table itself.
    lines
        .filter(|(start, line)| start + line.len() < text.len() && is_header(line))
        .last()
        .map(|(start, _)| start)
}

/// Where the key of this name is that a line before begins with, in the same table. Of two the parser may keep neither.
fn key_before(text: &str, name: &str) -> Option<usize> {
    let mut end = text.rfind('\n')? + 1;
    for line in text.get(..end)?.split_inclusive('\n').rev() {
        end -= line.len();
        let line = line.trim_start();
        if line.starts_with('[') {
            return None;
        }
        let key = line.split_once('=').map(|(key, _)| key.trim().trim_matches(['"', '\'']));
        if key == Some(name) {
            return Some(end);
        }
    }
    None
}

/// The last key of this name before a byte: within a table nothing but its own keys can be between two of its keys.
fn nearest_before(table: &DeTable<'_>, name: &str, before: usize, found: &mut Option<usize>) {
    for (key, value) in table {
        let start = key.span().start;
        if key.get_ref() == name && start < before {
            *found = Some(found.map_or(start, |other| other.max(start)));
        }
        values_before(value.get_ref(), name, before, found);
    }
}

fn values_before(value: &DeValue<'_>, name: &str, before: usize, found: &mut Option<usize>) {
    match value {
        DeValue::Table(table) => nearest_before(table, name, before, found),
        DeValue::Array(items) => {
            items.iter().for_each(|item| values_before(item.get_ref(), name, before, found));
        }
        _ => {}
    }
}

/// What is wrong with a line, and how it should read where that is clear.
fn slip(span: &Span, message: &str) -> (String, Option<String>) {
    const UNQUOTED: &str = "string values must be quoted";
    let message = message.replace(", expected literal string", "").replace(", expected nothing", "");
    // Where something may be a secret, nothing of the line is repeated.
    let Some(line) = span.plain_line().map(str::trim) else {
        let help = match message.as_str() {
            UNQUOTED => "write the value in double quotes",
            _ if message.starts_with("invalid basic string") => "close the value with a double quote",
            _ if UNCLOSED.iter().any(|unclosed| message.starts_with(unclosed)) => CLOSE,
            _ => CHECK,
        };
        return (message, Some(help.to_owned()));
    };
    if is_null(line) {
        let help = "remove the key to use its default";
        return ("there is no null".to_owned(), Some(help.to_owned()));
    }
    if let Some(help) = form(line, &message) {
        return (message, Some(help.to_owned()));
    }
    let mended = if line.len() <= LONGEST { mended(line) } else { None };
    let what = match (line.chars().find(|c| TYPOGRAPHIC.contains(*c)), &mended) {
        (Some(mark), _) => format!("found the typographic quotation mark {mark}, expected \""),
        _ if line.ends_with('=') => "the value is missing".to_owned(),
        (None, Some(Mended { quoted: true, .. })) if !line.contains('"') => UNQUOTED.to_owned(),
        (None, Some(_)) if line.contains('\\') => "a backslash in double quotes begins an escape".to_owned(),
        _ => message,
    };
    let help = mended.map(|mended| format!("write {}", mended.line)).or_else(|| {
        let key = line.strip_suffix(['=', ':'])?.trim();
        if let Some(kind) = TABLES.iter().find(|kind| line.ends_with(':') && kind.path == key) {
            return Some(format!("write {}", kind.heading));
        }
        let example = TABLES.iter().map(|kind| kind.example(key)).find(|example| !example.is_empty())?;
        Some(format!("write a value after it, such as {key} = {example}"))
    });
    let has_no_value = what.starts_with("key with no value");
    let is_unclosed = UNCLOSED.iter().any(|message| what.starts_with(message));
    let general = if has_no_value {
        FORMS
    } else if is_unclosed {
        CLOSE
    } else {
        CHECK
    };
    (what, help.or_else(|| Some(general.to_owned())))
}

/// What to do about a table in braces that is not closed.
const CLOSE: &str = "close the table in braces with } on the line where it begins";

/// What to do about a line of which nothing better can be said.
const CHECK: &str = "check the quotes, brackets and commas of this line";

/// How keys and tables are written.
const FORMS: &str = "write a key as name = \"value\", and [name] above the keys of a table";

/// Whether a line says that a key has no value, as JSON, YAML and Python do.
fn is_null(line: &str) -> bool {
    let value = line.split_once(['=', ':']).map_or("", |(_, value)| uncommented(value).trim());
    matches!(value, "null" | "NULL" | "Null" | "nil" | "None" | "~")
}

/// What other formats have, or what is missing between the lines of a list.
fn form(line: &str, message: &str) -> Option<&'static str> {
    if message.starts_with("missing comma between array elements") {
        Some("write a comma after the previous item")
    } else if line.starts_with(';') || line.starts_with("//") || line.starts_with("--") {
        Some("write # before a comment")
    } else {
        (line.ends_with('{') || line == "}").then_some(FORMS)
    }
}

/// A line as it was probably meant.
struct Mended {
    line: String,
    /// Whether it has got its quotes.
    quoted: bool,
}

/// The first of some readings of a line that is TOML. None if it is already.
fn mended(line: &str) -> Option<Mended> {
    if is_toml(line) {
        return None;
    }
    let straight: String = line.chars().map(|c| if TYPOGRAPHIC.contains(c) { '"' } else { c }).collect();
    if straight != line && is_toml(&straight) {
        return Some(Mended { line: straight, quoted: false });
    }
    if straight.starts_with('[') {
        let name = straight.trim_matches(['[', ']']).trim();
        let header = if straight.starts_with("[[") { format!("[[{name}]]") } else { format!("[{name}]") };
        return is_toml(&header).then_some(Mended { line: header, quoted: false });
    }
    let equals = straight.find('=').unwrap_or(straight.len());
    let colon = straight.find(':').filter(|colon| *colon < equals);
    let (key, value) = straight.split_at_checked(colon.unwrap_or(equals))?;
    let key = key.trim().trim_matches(['"', '\'']);
    // `==`, `:=` and `=>` are one sign.
    let value = uncommented(value.get(1..)?).trim_start_matches(['=', ':', '>']).trim();
    let value = value.trim_end_matches([',', ';']).trim();
    let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if !is_key || value.is_empty() {
        return None;
    }
    let readings = [
        (value.to_owned(), false),
        (word(value), false),
        (items(value), true),
        (single(value), false),
        (double(value), true),
    ];
    readings
        .into_iter()
        .filter(|(value, _)| !value.is_empty())
        .map(|(value, quoted)| Mended { line: format!("{key} = {value}"), quoted })
        .find(|mended| is_toml(&mended.line))
}

/// `True`, `yes` and the like, as TOML has them.
fn word(value: &str) -> String {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "true".to_owned(),
        "false" | "no" | "off" => "false".to_owned(),
        _ => String::new(),
    }
}

/// A list whose items are in quotes.
fn items(value: &str) -> String {
    let Some(inner) = value.strip_prefix('[').map(|inner| inner.strip_suffix(']').unwrap_or(inner)) else {
        return String::new();
    };
    let items: Vec<String> =
        inner.split(',').map(str::trim).filter(|item| !item.is_empty()).map(in_quotes).collect();
    if items.iter().any(String::is_empty) { String::new() } else { format!("[{}]", items.join(", ")) }
}

/// In single quotes, within which a backslash is one: `"C:\certs"` has an escape in it.
fn single(value: &str) -> String {
    let bare = value.trim_matches('"');
    if value.contains('\\') && !bare.contains(['\'', '"']) { format!("'{bare}'") } else { String::new() }
}

/// In double quotes, whatever is there of them.
fn double(value: &str) -> String {
    // A table or a list is no string.
    if value.starts_with(['{', '[']) { String::new() } else { in_quotes(value) }
}

fn in_quotes(value: &str) -> String {
    let bare = value.trim_matches(['"', '\'']);
    if bare.contains(['"', '\'', '\\']) { String::new() } else { format!("\"{bare}\"") }
}

/// A value without the comment behind it.
fn uncommented(value: &str) -> &str {
    value.find(" #").and_then(|at| value.get(..at)).unwrap_or(value)
}

fn is_toml(line: &str) -> bool {
    DeTable::parse_recoverable(line).1.is_empty()
}
