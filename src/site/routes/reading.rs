//! Reads a path as the most lenient server does. Two paths that any server treats as the same one have the same segments here.
//!
//! The work is linear in the path: it is decoded at most twice, folded once, and cut in at most
//! seventeen ways.

use std::borrow::Cow;

use super::fold::folded;

/// Extensions of programs that treat what follows their name in a path as the requested path (PATH_INFO, front controllers).
const SCRIPTS: [&str; 12] =
    [".php", ".php5", ".phtml", ".cgi", ".fcgi", ".pl", ".py", ".asp", ".aspx", ".ashx", ".cfm", ".jsp"];

/// Servers differ in how they read a path, whatever the rules are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// A path, decoded and folded.
#[derive(Debug)]
pub(super) struct Reading {
    text: String,
}

/// One way to cut a reading into segments.
pub(super) type Segments<'a> = Vec<&'a str>;

impl Reading {
    /// Reads a path as the most lenient server would. Refuses paths that servers read differently.
    pub(super) fn of(path: &str) -> Result<Self, Ambiguous> {
        let decoded = decoded(path)?;
        if decoded.chars().any(char::is_control) {
            return Err(Ambiguous);
        }
        let text = folded(&decoded);
        // A server that resolves the target as a reference (`new URL(target, base)`) treats what follows two slashes as a host.
        if text.starts_with("//") || has_escape(&text) {
            return Err(Ambiguous);
        }
        // Some servers remove `;x` before they decode, others after: their segments differ.
        if text.contains(';') && slashes(&text) != slashes(path) {
            return Err(Ambiguous);
        }
        if text.split('/').any(|segment| is_dots(cut(segment))) || text.matches(SIGNS).count() > MOST_SIGNS {
            return Err(Ambiguous);
        }
        Ok(Self { text })
    }

    /// The segments of the path of a rule, which is never refused.
    pub(super) fn of_rule(path: &str) -> Vec<String> {
        let decoded = decoded(path).unwrap_or(Cow::Borrowed(path));
        segments(&folded(&decoded)).into_iter().map(str::to_owned).collect()
    }

    /// Each way to split the path: parameters are removed from each segment, or with everything after any of them, since one server may
    /// have removed those before it.
    pub(super) fn cuts(&self) -> impl Iterator<Item = Segments<'_>> {
        let before = self.text.match_indices(SIGNS).filter_map(|(at, _)| self.text.get(..at));
        std::iter::once(self.text.as_str()).chain(before).map(segments)
    }
}

/// The signs from which on some servers treat the rest of a segment, or of the path, as something else.
const SIGNS: [char; 3] = [';', '?', '#'];
/// The most of them in a path; each is one way to cut it.
const MOST_SIGNS: usize = 16;

/// The most programs that a path may name: SimpleSAMLphp has two (`/module.php/saml/sp/saml2-acs.php/default-sp`).
const MOST_SCRIPTS: usize = 4;

/// The paths that a server which runs programs by name may pass to the programs in this path, as the requested path.
pub(super) fn after_scripts<'a>(segments: &'a [&'a str]) -> Result<Vec<&'a [&'a str]>, Ambiguous> {
    let mut found = Vec::new();
    let mut rest = segments;
    while let Some((segment, path)) = rest.split_first().filter(|(_, path)| !path.is_empty()) {
        if SCRIPTS.iter().any(|ending| segment.ends_with(ending)) {
            if found.len() == MOST_SCRIPTS {
                return Err(Ambiguous);
            }
            found.push(path);
        }
        rest = path;
    }
    Ok(found)
}

/// Whether a server that drops extensions such as `.json`, or that serves files by their short names, may treat this segment as
/// that of a rule. Both are folded.
pub(super) fn may_serve(segment: &str, rule: &str, is_last: bool) -> bool {
    let dropped = segment.strip_prefix(rule).filter(|_| !rule.is_empty());
    segment == rule
        || (is_last && dropped.is_some_and(|ending| ending.starts_with('.')))
        || is_short_for(segment, rule)
}

/// Whether this may be a short name (`AUTHOR~1`, `AU1A2B~1.JSO`) of a file whose name is that of the rule (FAT, NTFS).
fn is_short_for(segment: &str, rule: &str) -> bool {
    let Some((start, number)) = segment.split_once('~') else { return false };
    let number = number.split('.').next().unwrap_or_default();
    if start.is_empty() || start.len() > 6 || number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit())
    {
        return false;
    }
    let name: String = rule.chars().filter(|c| !matches!(c, ' ' | '.')).collect();
    let hashed = start.len() == 6
        && start.get(2..).is_some_and(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit()))
        && start.get(..2).is_some_and(|start| name.starts_with(start));
    hashed || name.starts_with(start)
}

/// Decodes twice, since each of two servers in a row may decode once. Refuses bytes that are not UTF-8, invalid escapes, and escapes
/// that remain, since servers read them differently: overlong forms, `%u0074`, `%%37%34`.
fn decoded(path: &str) -> Result<Cow<'_, str>, Ambiguous> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let once = pass(path)?;
    if path.matches('%').count() != once.escapes {
        return Err(Ambiguous);
    }
    let text = if once.text.contains('%') { pass(&once.text)?.text } else { once.text };
    if has_escape(&text) { Err(Ambiguous) } else { Ok(Cow::Owned(text)) }
}

/// A text after one decoding.
struct Pass {
    text: String,
    escapes: usize,
}

fn pass(text: &str) -> Result<Pass, Ambiguous> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut escapes = 0;
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let octet = match (first, behind) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match octet {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                escapes += 1;
                rest = behind.get(2..).unwrap_or_default();
            }
            None if *first == b'%' && behind.first().is_some_and(u8::is_ascii_alphanumeric) => {
                return Err(Ambiguous);
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| Ambiguous)?;
    Ok(Pass { text, escapes })
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Whether a `%` is there that somebody could take for the beginning of an escape.
fn has_escape(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('%') {
        if behind.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()) {
            return true;
        }
        rest = behind;
    }
    false
}

fn slashes(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'/').count()
}

/// The segments that are left when parameters, streams (`::$DATA`), blanks and dots at the end are dropped.
fn segments(text: &str) -> Segments<'_> {
    let tidy = |segment| cut(segment).trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '%'));
    text.split('/').map(tidy).filter(|segment| !segment.is_empty()).collect()
}

/// A segment without what some servers take for no part of its name.
fn cut(segment: &str) -> &str {
    let name = segment.split(SIGNS).next().unwrap_or_default();
    let stream = [name.find("::"), name.find(":$")].into_iter().flatten().min();
    stream.and_then(|at| name.get(..at)).unwrap_or(name).trim()
}

/// Whether a segment has dots and nothing else: a step upwards, or one on the spot.
fn is_dots(segment: &str) -> bool {
    segment.contains('.') && segment.chars().all(|c| c == '.' || c.is_whitespace())
}
