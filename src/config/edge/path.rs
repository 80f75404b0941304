//! The path of a `[[domain.route]]`, with help for paths in the syntax of other servers.

use crate::config::{
    diagnostic::{Fault, Problem},
    span::Span,
    suggest::quote,
};

use crate::site::{PathPattern, RouteSpec};

const HELP: &str =
    "write an exact path such as \"/oauth/token\", or \"/oauth/*\" for all paths under /oauth/";

/// Parses a path. It is compared byte by byte, so it must be written exactly as clients send it.
pub(super) fn pattern(text: &str) -> Result<PathPattern, Fault> {
    literal_pattern(text).map_err(|fault| foreign_syntax(text).unwrap_or(fault))
}

fn literal_pattern(text: &str) -> Result<PathPattern, Fault> {
    let fault = |why: &str| Fault::new(format!("found {}, expected a path {why}", quote(text)));
    if !text.starts_with('/') {
        let help = format!("write {}", quote(&format!("/{text}")));
        let is_path = !text.contains("://") && !text.starts_with('*');
        let fault = fault("that starts with /");
        return Err(if is_path {
            fault.help(help)
        } else {
            fault.help("write only the path, such as /oauth/token")
        });
    }
    let literal = text.strip_suffix("/*").unwrap_or(text);
    if literal.contains('*') {
        return Err(
            fault("with a * only as a trailing /*").help("write /oauth/* for all paths under /oauth/")
        );
    }
    if let Some(delimiter) = literal.chars().find(|c| matches!(c, '?' | '#')) {
        let bare = literal.split(['?', '#']).next().unwrap_or_default();
        let part = if delimiter == '?' { "a query" } else { "a fragment" };
        return Err(fault(&format!("without {delimiter}: routes do not match {part}"))
            .help(format!("write {}", quote(bare))));
    }
    if let Some(bad) = literal
        .chars()
        .find(|c| !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'))
    {
        let mut bytes = [0; 4];
        let escaped = percent_encoding::percent_encode(
            bad.encode_utf8(&mut bytes).as_bytes(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        return Err(fault("in printable ASCII, percent-encoded").help(format!("write {escaped} for {bad:?}")));
    }
    check_escapes(literal).map_err(|why| match why {
        Escape::Incomplete => {
            fault("with two hexadecimal digits after each %").help("write %25 for a percent sign")
        }
        Escape::Needless(c) => {
            fault("without needless percent-encoding").help(format!("write {c} for %{:02X}", u32::from(c)))
        }
        Escape::Slash => fault("without %2F and %5C: servers differ in how they read them").help(HELP),
    })?;
    if literal.contains("//") {
        return Err(fault("without //").help(format!("write {}", quote(&collapse(text)))));
    }
    if literal.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(fault("without . and .. segments").help(format!("write {}", quote(&resolve(text)))));
    }
    Ok(match text.strip_suffix('*') {
        Some(prefix) => PathPattern::Subtree(prefix.to_owned()),
        None => PathPattern::Exact(text.to_owned()),
    })
}

/// Why a percent-encoding is rejected.
enum Escape {
    /// `%` without two hexadecimal digits.
    Incomplete,
    /// An unreserved character (RFC 3986 section 2.3).
    Needless(char),
    /// `%2F` or `%5C`.
    Slash,
}

fn check_escapes(path: &str) -> Result<(), Escape> {
    for part in path.split('%').skip(1) {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(Escape::Incomplete)?;
        match char::from(byte) {
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~') => {
                return Err(Escape::Needless(c));
            }
            '/' | '\\' => return Err(Escape::Slash),
            _ => {}
        }
    }
    Ok(())
}

/// The path without empty segments.
fn collapse(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    format!("/{}", segments.join("/"))
}

/// The path with its `.` and `..` segments applied (RFC 3986 section 5.2.4).
fn resolve(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

/// The fault of a path in the syntax of another server: with a method or an operator, a regular expression, a template, a glob or a
/// URL.
fn foreign_syntax(text: &str) -> Option<Fault> {
    let fault = |what: &str| Fault::new(format!("found {}, expected a path {what}", quote(text)));
    let write = |path: &str| literal_pattern(path).ok().map(|_| format!("write {}", quote(path)));
    if let Some((method, path)) = text.split_once(char::is_whitespace) {
        let (method, path) = (method.to_ascii_uppercase(), path.trim());
        if RouteSpec::METHODS.iter().any(|known| known.as_str() == method) && literal_pattern(path).is_ok() {
            return Some(
                fault("and nothing else")
                    .help(format!("write path = {} and methods = [{method:?}]", quote(path))),
            );
        }
    }
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
        return Some(fault("and nothing else").help(write(path).unwrap_or_else(|| HELP.to_owned())));
    }
    let bare = text.trim_start_matches(['~', '=', '*']).trim_start_matches("^~").trim();
    if is_regex(bare) {
        let help = write(&literal_path(bare)).unwrap_or_else(|| HELP.to_owned());
        return Some(fault("in literal form: regular expressions are not supported").help(help));
    }
    if text.contains(['{', '<']) || segments(text).any(|segment| segment.starts_with(':')) {
        let under =
            text.find(['{', '<']).and_then(|at| text.get(..at)).and_then(|before| before.rsplit_once('/'));
        let help = under.and_then(|(parent, _)| write(&format!("{parent}/*")));
        return Some(
            fault("in literal form: placeholders are not supported")
                .help(help.unwrap_or_else(|| HELP.to_owned())),
        );
    }
    if bare != text && literal_pattern(bare).is_ok() {
        return Some(fault("and nothing else").help(format!("write {}", quote(bare))));
    }
    let glob = text.trim_end_matches(['*', '/']);
    let is_glob = text.ends_with('*') && !glob.contains('*');
    let help = write(&format!("{glob}/*")).filter(|_| is_glob)?;
    Some(fault("with a * only as a trailing /*").help(help))
}

/// Warnings about a valid path that was probably intended as a pattern: with a `$` at the end, or a segment such as `:id`.
pub(super) fn suspicious(text: &str, span: &Span) -> Vec<Problem> {
    let what = if text.ends_with('$') {
        "a $ at the end is part of the path: regular expressions are not supported"
    } else if segments(text).any(|segment| segment.starts_with(':')) {
        "a segment that begins with a colon is matched literally: placeholders are not supported"
    } else {
        return Vec::new();
    };
    let what = format!("found {}: {what}", quote(text));
    vec![Problem::warning(span, "domain.route.path", what).help(HELP)]
}

fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.split('/')
}

/// Whether a text has characters of a regular expression that are unlikely in a path.
fn is_regex(text: &str) -> bool {
    text.starts_with('^')
        || [".*", ".+", "\\", "(?", "[^", "|"].iter().any(|operator| text.contains(operator))
        || text.ends_with('$')
}

/// The path that is equivalent to a simple regular expression.
fn literal_path(expression: &str) -> String {
    let inner = expression.trim_start_matches('^').trim_end_matches('$').replace('\\', "");
    if inner.ends_with('/') && !expression.ends_with('$') {
        return format!("{inner}*");
    }
    let under = [".*", ".+", "(.*)", "(.+)"].iter().find_map(|wildcard| inner.strip_suffix(wildcard));
    under.map_or(inner.clone(), |under| format!("{}/*", under.trim_end_matches('/')))
}
