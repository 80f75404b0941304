//! Explains TOML syntax errors, and suggests how to write the line.
//!
//! The parser reports what it expected at one byte. From the whole line it is often clear what the operator meant.

use toml::de::{DeTable, DeValue};

use super::{
    diagnostic::Problem,
    public_key,
    reader::Reader,
    schema::{TABLES, TableSchema, bare},
    span::Span,
};

/// Quotation marks that word processors, chats and web pages write instead of `"` and `'`.
const TYPOGRAPHIC: &str =
    "\u{201c}\u{201d}\u{201e}\u{201f}\u{2018}\u{2019}\u{201a}\u{201b}\u{ab}\u{bb}\u{2033}\u{ff02}";

/// The parser's messages about lines after a string or table that is not closed.
const UNCLOSED: [&str; 2] = ["missing comma between key-value pairs", "missing key for inline table element"];

/// The maximum length of a line that is searched for a JWK, which may contain a certificate chain.
const MAX_JWK_LINE: usize = 1 << 16;

/// The maximum length of a line that is quoted in help.
const MAX_QUOTED_LINE: usize = 500;

/// Reports the errors of a text. One mistake can cause several errors: only the first on each line is reported.
pub(super) fn report(reader: &Reader, text: &str, document: &DeTable<'_>, errors: &[toml::de::Error]) {
    if text.trim_start().starts_with('{') {
        let start = text.len() - text.trim_start().len();
        let what = "invalid TOML: the file begins with {, as JSON does";
        let help =
            "write tables as [listen] and values as name = \"value\"; `mtls-edge init DIR` writes an example";
        return reader.report(Problem::error(&reader.span(start..start + 1), "", what).help(help));
    }
    let end = text.len();
    let mut spans: Vec<_> =
        errors.iter().map(|error| (reader.span(error.span().unwrap_or(end..end)), error)).collect();
    spans.sort_by_key(|(span, _)| span.range.start);
    spans.dedup_by_key(|(span, _)| span.line());
    // After an unclosed value or inline table, the following lines are errors, too.
    let mut number = 0;
    spans.retain(|(_, error)| {
        number += 1;
        number == 1 || !UNCLOSED.iter().any(|message| error.message().starts_with(message))
    });
    for (span, error) in spans {
        if !reader.lists_syntax_error(&span) {
            continue;
        }
        let (what, help) = match error.message() {
            _ if is_jwk(&span) => ("found a JWK in JSON".to_owned(), Some(public_key::HELP.to_owned())),
            "duplicate key" => explain_duplicate(reader, text, document, error),
            message => explain(&span, message),
        };
        reader.report(Problem { help, ..Problem::error(&span, "", format!("invalid TOML: {what}")) });
    }
}

/// Whether the line has a JWK (RFC 7517) in JSON.
fn is_jwk(span: &Span) -> bool {
    let line = span.line_text();
    line.len() <= MAX_JWK_LINE && line.contains("\"kty\"")
}

/// Explains a duplicate key or table: where the first one is.
fn explain_duplicate(
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
        format!("it is already on line {line}: remove one of the two")
    } else if !is_header {
        format!("{} is already on line {line}: remove one of the two", bare(key))
    } else if let Some(kind) = array_of_tables(key) {
        format!("write {} in double brackets, here and on line {line}", kind.heading)
    } else {
        format!("[{}] already begins on line {line}: move the keys there", bare(key))
    };
    (WHAT.to_owned(), Some(help))
}

/// The schema of an array of tables, by the last part of its name.
fn array_of_tables(name: &str) -> Option<&'static TableSchema> {
    TABLES
        .iter()
        .copied()
        .find(|kind| kind.heading.starts_with("[[") && kind.path.rsplit('.').next() == Some(name))
}

/// The byte at which the last table of this name begins. The document contains only one of two equal tables.
fn header_before(text: &str, name: &str) -> Option<usize> {
    let is_header = |line: &str| {
        let line = uncommented(line).trim();
        line.starts_with('[') && line.trim_matches(['[', ']']).rsplit('.').next().map(str::trim) == Some(name)
    };
    let lines = text.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some((*end - line.len(), line))
    });
    // The last line is the heading of the second table.
    lines
        .filter(|(start, line)| start + line.len() < text.len() && is_header(line))
        .last()
        .map(|(start, _)| start)
}

/// The byte of an earlier line of the same table that begins with this key. The document may contain neither of two equal keys.
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

/// Finds the last key of this name before a byte.
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

/// What is wrong with a line, and the help: the corrected line if there is one.
fn explain(span: &Span, message: &str) -> (String, Option<String>) {
    const UNQUOTED: &str = "string values must be quoted";
    let message = message.replace(", expected literal string", "").replace(", expected nothing", "");
    // May contain a secret: only its form is examined, and it is not quoted.
    let raw = span.line_text().trim();
    if is_null(raw) {
        let help = "remove the key to use its default";
        return ("TOML does not have null".to_owned(), Some(help.to_owned()));
    }
    if let Some(help) = foreign_form(raw, &message) {
        return (message, Some(help.to_owned()));
    }
    let general = if message.starts_with("key with no value") {
        FORMS
    } else if UNCLOSED.iter().any(|unclosed| message.starts_with(unclosed)) {
        CLOSE
    } else {
        CHECK
    };
    let Some(line) = span.plain_line().map(str::trim) else {
        let help = match message.as_str() {
            UNQUOTED => "write the value in double quotes",
            _ if message.starts_with("invalid basic string") => "close the value with a double quote",
            _ => general,
        };
        return (message, Some(help.to_owned()));
    };
    let fixed = if line.len() <= MAX_QUOTED_LINE { fix(line) } else { None };
    let what = match (line.chars().find(|c| TYPOGRAPHIC.contains(*c)), &fixed) {
        (Some(mark), _) => format!("found the typographic quotation mark {mark}, expected \""),
        _ if line.ends_with('=') => "the value is missing".to_owned(),
        (None, Some(Fixed { quoted: true, .. })) if !line.contains('"') => UNQUOTED.to_owned(),
        (None, Some(_)) if line.contains('\\') => "a backslash in double quotes begins an escape".to_owned(),
        _ => message,
    };
    let help = fixed.map(|fixed| format!("write {}", fixed.line)).or_else(|| {
        let key = line.strip_suffix(['=', ':'])?.trim();
        if let Some(kind) = TABLES.iter().find(|kind| line.ends_with(':') && kind.path == key) {
            return Some(format!("write {}", kind.heading));
        }
        let example = TABLES.iter().map(|kind| kind.example(key)).find(|example| !example.is_empty())?;
        Some(format!("write a value after it, such as {key} = {example}"))
    });
    (what, help.or_else(|| Some(general.to_owned())))
}

/// Help for an inline table that is not closed.
const CLOSE: &str = "close the table in braces with } on the line where it begins";

/// Help if the mistake is not known in more detail.
const CHECK: &str = "check the quotes, brackets and commas of this line";

/// Help for a file in another format.
const FORMS: &str = "write a key as name = \"value\", and [name] above the keys of a table";

/// Whether a line has a null value, as JSON, YAML and Python write it.
fn is_null(line: &str) -> bool {
    let value = line.split_once(['=', ':']).map_or("", |(_, value)| uncommented(value).trim());
    matches!(value, "null" | "NULL" | "Null" | "nil" | "None" | "~")
}

/// Help for a line of another format, or for a list without commas.
fn foreign_form(line: &str, message: &str) -> Option<&'static str> {
    if message.starts_with("missing comma between array elements") {
        Some("write a comma after the previous item")
    } else if line.starts_with(';') || line.starts_with("//") || line.starts_with("--") {
        Some("write # before a comment")
    } else {
        (line.ends_with('{') || line == "}").then_some(FORMS)
    }
}

/// A corrected line.
struct Fixed {
    line: String,
    /// Whether quotes were added.
    quoted: bool,
}

/// The first correction of a line that is valid TOML. `None` if the line is valid already.
fn fix(line: &str) -> Option<Fixed> {
    if is_toml(line) {
        return None;
    }
    let straight: String = line.chars().map(|c| if TYPOGRAPHIC.contains(c) { '"' } else { c }).collect();
    if straight != line && is_toml(&straight) {
        return Some(Fixed { line: straight, quoted: false });
    }
    if straight.starts_with('[') {
        let name = straight.trim_matches(['[', ']']).trim();
        let header = if straight.starts_with("[[") { format!("[[{name}]]") } else { format!("[{name}]") };
        return is_toml(&header).then_some(Fixed { line: header, quoted: false });
    }
    let equals = straight.find('=').unwrap_or(straight.len());
    let colon = straight.find(':').filter(|colon| *colon < equals);
    let (key, value) = straight.split_at_checked(colon.unwrap_or(equals))?;
    let key = key.trim().trim_matches(['"', '\'']);
    // `==`, `:=` and `=>` are one separator.
    let value = uncommented(value.get(1..)?).trim_start_matches(['=', ':', '>']).trim();
    let value = value.trim_end_matches([',', ';']).trim();
    let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if !is_key || value.is_empty() {
        return None;
    }
    let candidates = [
        (value.to_owned(), false),
        (boolean(key, value), false),
        (list(value), true),
        (single_quoted(value), false),
        (double_quoted(value), true),
    ];
    candidates
        .into_iter()
        .filter(|(value, _)| !value.is_empty())
        .map(|(value, quoted)| Fixed { line: format!("{key} = {value}"), quoted })
        .find(|fixed| is_toml(&fixed.line))
}

/// The boolean for `True`, `yes` and similar words, or what turns a key on that is not a boolean. Empty if there is none.
fn boolean(key: &str, value: &str) -> String {
    let example = TABLES.iter().map(|kind| kind.example(key)).find(|example| !example.is_empty());
    let example = example.filter(|example| !matches!(*example, "true" | "false"));
    match (value.to_ascii_lowercase().as_str(), example) {
        // A choice has the words of its own for it, and an invalid string would be refused in turn.
        ("true" | "yes" | "on", Some(example)) => return example.to_owned(),
        (_, Some(_)) => return String::new(),
        (_, None) => {}
    }
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "true".to_owned(),
        "false" | "no" | "off" => "false".to_owned(),
        _ => String::new(),
    }
}

/// A list with its items in quotes. Empty if the value is not a list.
fn list(value: &str) -> String {
    let Some(inner) = value.strip_prefix('[').map(|inner| inner.strip_suffix(']').unwrap_or(inner)) else {
        return String::new();
    };
    let items: Vec<String> =
        inner.split(',').map(str::trim).filter(|item| !item.is_empty()).map(quoted).collect();
    if items.iter().any(String::is_empty) { String::new() } else { format!("[{}]", items.join(", ")) }
}

/// The value in single quotes, where a backslash is not an escape: `'C:\certs'`.
fn single_quoted(value: &str) -> String {
    let bare = value.trim_matches('"');
    if value.contains('\\') && !bare.contains(['\'', '"']) { format!("'{bare}'") } else { String::new() }
}

/// The value in double quotes.
fn double_quoted(value: &str) -> String {
    // A table or a list is not a string.
    if value.starts_with(['{', '[']) { String::new() } else { quoted(value) }
}

fn quoted(value: &str) -> String {
    let bare = value.trim_matches(['"', '\'']);
    if bare.contains(['"', '\'', '\\']) { String::new() } else { format!("\"{bare}\"") }
}

/// A value without the comment after it.
fn uncommented(value: &str) -> &str {
    value.find(" #").and_then(|at| value.get(..at)).unwrap_or(value)
}

fn is_toml(line: &str) -> bool {
    DeTable::parse_recoverable(line).1.is_empty()
}
