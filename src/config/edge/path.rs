//! The path of a `[[domain.route]]`, and what other servers' configurations have in its place.

use crate::config::{
    diagnostic::{Fault, Problem},
    span::Span,
    suggest::quote,
};

use crate::site::{PathPattern, RouteSpec};

const HELP: &str =
    "write an exact path such as \"/oauth/token\", or \"/oauth/*\" for all that is under /oauth/";

/// A path whose bytes are compared as they are, so it has to be written as clients send it.
pub(super) fn pattern(text: &str) -> Result<PathPattern, Fault> {
    literal_pattern(text).map_err(|fault| foreign(text).unwrap_or(fault))
}

fn literal_pattern(text: &str) -> Result<PathPattern, Fault> {
    let fault = |why: &str| Fault::new(format!("found {}, expected a path {why}", quote(text)));
    if !text.starts_with('/') {
        let help = format!("write {}", quote(&format!("/{text}")));
        let plain = !text.contains("://") && !text.starts_with('*');
        let fault = fault("that starts with /");
        return Err(if plain {
            fault.help(help)
        } else {
            fault.help("write the path alone, such as /oauth/token")
        });
    }
    let literal = text.strip_suffix("/*").unwrap_or(text);
    if literal.contains('*') {
        return Err(
            fault("with a * only as a trailing /*").help("write /oauth/* for all that is under /oauth/")
        );
    }
    if let Some(sign) = literal.chars().find(|c| matches!(c, '?' | '#')) {
        let bare = literal.split(['?', '#']).next().unwrap_or_default();
        let part = if sign == '?' { "a query" } else { "a fragment" };
        return Err(fault(&format!("without {sign}: {part} is not part of it"))
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
        return Err(fault("as it is sent, in printable ASCII").help(format!("write {escaped} for {bad:?}")));
    }
    escapes(literal).map_err(|why| match why {
        Escape::Broken => {
            fault("with two hexadecimal digits after each %").help("write %25 for a percent sign")
        }
        Escape::Needless(c) => {
            fault("in its plain form").help(format!("write {c} for %{:02X}", u32::from(c)))
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

enum Escape {
    Broken,
    Needless(char),
    Slash,
}

fn escapes(path: &str) -> Result<(), Escape> {
    for part in path.split('%').skip(1) {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(Escape::Broken)?;
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

/// What is written in the form of another server: a location with its method or operator, a regular expression, a template, a glob,
/// a URL.
fn foreign(text: &str) -> Option<Fault> {
    let fault = |what: &str| Fault::new(format!("found {}, expected a path {what}", quote(text)));
    let write = |path: &str| literal_pattern(path).ok().map(|_| format!("write {}", quote(path)));
    if let Some((method, path)) = text.split_once(char::is_whitespace) {
        let (method, path) = (method.to_ascii_uppercase(), path.trim());
        if RouteSpec::METHODS.iter().any(|known| known.as_str() == method) && literal_pattern(path).is_ok() {
            return Some(
                fault("alone").help(format!("write path = {} and methods = [{method:?}]", quote(path))),
            );
        }
    }
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
        return Some(fault("alone").help(write(path).unwrap_or_else(|| HELP.to_owned())));
    }
    let bare = text.trim_start_matches(['~', '=', '*']).trim_start_matches("^~").trim();
    if is_expression(bare) {
        let help = write(&plain(bare)).unwrap_or_else(|| HELP.to_owned());
        return Some(fault("as it is sent: regular expressions are not supported").help(help));
    }
    if text.contains(['{', '<']) || segments(text).any(|segment| segment.starts_with(':')) {
        let under =
            text.find(['{', '<']).and_then(|at| text.get(..at)).and_then(|before| before.rsplit_once('/'));
        let help = under.and_then(|(parent, _)| write(&format!("{parent}/*")));
        return Some(
            fault("as it is sent: placeholders are not supported")
                .help(help.unwrap_or_else(|| HELP.to_owned())),
        );
    }
    if bare != text && literal_pattern(bare).is_ok() {
        return Some(fault("alone").help(format!("write {}", quote(bare))));
    }
    let glob = text.trim_end_matches(['*', '/']);
    let is_glob = text.ends_with('*') && !glob.contains('*');
    let help = write(&format!("{glob}/*")).filter(|_| is_glob)?;
    Some(fault("with a * only as a trailing /*").help(help))
}

/// What is literal and yet hardly meant so: `$` at the end, and segments as `:id`.
pub(super) fn doubts(text: &str, span: &Span) -> Vec<Problem> {
    let what = if text.ends_with('$') {
        "a $ at the end is part of the path: regular expressions are not supported"
    } else if segments(text).any(|segment| segment.starts_with(':')) {
        "a segment that begins with a colon is taken as it is: placeholders are not supported"
    } else {
        return Vec::new();
    };
    let what = format!("found {}: {what}", quote(text));
    vec![Problem::warning(span, "domain.route.path", what).help(HELP)]
}

fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.split('/')
}

/// Whether a text has signs of a regular expression that no path has, or not together.
fn is_expression(text: &str) -> bool {
    text.starts_with('^')
        || [".*", ".+", "\\", "(?", "[^", "|"].iter().any(|sign| text.contains(sign))
        || text.ends_with('$')
}

/// The path that a simple expression stands for.
fn plain(expression: &str) -> String {
    let inner = expression.trim_start_matches('^').trim_end_matches('$').replace('\\', "");
    if inner.ends_with('/') && !expression.ends_with('$') {
        return format!("{inner}*");
    }
    let under = [".*", ".+", "(.*)", "(.+)"].iter().find_map(|rest| inner.strip_suffix(rest));
    under.map_or(inner.clone(), |under| format!("{}/*", under.trim_end_matches('/')))
}
