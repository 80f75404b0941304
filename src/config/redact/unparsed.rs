//! The same for a text that is not TOML, line by line.
//!
//! Of such a line only this is shown: the name of a known table, a known key, and its value if the schema allows that and the value
//! is certainly the only one on the line. After a line that may continue as something else, everything is masked up to the next
//! known table.

use std::ops::Range;

use toml_parser::{
    Source,
    lexer::{Token, TokenKind},
};

use super::has_secret;
use crate::config::schema::{Key, SYNONYMS, Shown, TableSchema, table_of};

/// The hidden bytes of a text, whose lines begin in this table.
pub(super) fn hidden(file: &'static TableSchema, text: &str) -> Vec<Range<usize>> {
    let mut lines = Lines { table: Some(file), list: None, hidden: Vec::new() };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        lines.read(start, line.trim_end());
        start += line.len();
    }
    lines.hidden
}

/// A key with the table that it belongs to.
#[derive(Clone, Copy)]
struct Place {
    table: &'static TableSchema,
    key: &'static Key,
}

impl Place {
    fn new(table: &'static TableSchema, name: &str) -> Option<Self> {
        let of = |table: &'static TableSchema, name: &str| table.key(name).map(|key| Self { table, key });
        of(table, name).or_else(|| {
            // A dotted key, such as `listen.https`.
            let path = table.path_of(name);
            let (table, name) = path.rsplit_once('.')?;
            of(table_of(table)?, name)
        })
    }

    fn is_shown(self) -> bool {
        matches!(self.key.shown, Shown::Value | Shown::Address)
    }

    /// The kind of the tables that are the key's value.
    fn inner(self) -> Option<&'static TableSchema> {
        table_of(&self.table.path_of(self.key.name))
    }
}

struct Lines {
    /// The table whose keys are expected; `None` if that is not certain.
    table: Option<&'static TableSchema>,
    /// The key whose list is open at the end of the previous line.
    list: Option<Place>,
    hidden: Vec<Range<usize>>,
}

impl Lines {
    fn read(&mut self, start: usize, line: &str) {
        let end = start + line.len();
        let indent = line.len() - line.trim_start().len();
        let content = line.trim_start();
        if content.is_empty() {
            return;
        }
        if content.starts_with('#') {
            return self.hidden.push(start + indent..end);
        }
        if let Some((table, length)) = heading(content) {
            (self.table, self.list) = (Some(table), None);
            return self.hide_from(start + indent + length, end);
        }
        if content.starts_with('[') && self.list.is_none() {
            self.table = None;
        }
        let Some(table) = self.table else { return self.hide_from(start, end) };
        let separators: &[char] = if self.list.is_some() { &['='] } else { &['=', ':'] };
        let named =
            content.split_once(separators).map_or((content, None), |(name, _)| (name, Some(name.len() + 1)));
        let place = Place::new(table, named.0.trim().trim_matches(['"', '\'']));
        let (place, value) = match (place, named.1, self.list.take()) {
            // The key alone.
            (Some(_), None, _) => return,
            (Some(place), Some(value), _) => (place, value),
            (None, None, Some(list)) => (list, 0),
            (None, Some(value), _) if is_synonym(named.0) => {
                let begin = start + indent + value;
                return self.lose(begin, end, content);
            }
            (None, ..) => return self.lose(start, end, content),
        };
        let begin = start + indent + value;
        let value = content.get(value..).unwrap_or_default();
        match Value::read(place, value, named.1.is_none()) {
            Some(Value { length, is_open }) => {
                self.list = is_open.then_some(place);
                self.hide_from(begin + length, end);
            }
            None => self.lose(begin, end, value),
        }
    }

    fn hide_from(&mut self, begin: usize, end: usize) {
        if begin < end {
            self.hidden.push(begin..end);
        }
    }

    /// Hides what is not understood. If it may continue on the next lines, these are hidden, too.
    fn lose(&mut self, begin: usize, end: usize, text: &str) {
        self.hide_from(begin, end);
        let count = |c: char| text.matches(c).count();
        let is_balanced = count('{') == count('}') && count('[') == count(']');
        let is_quoted = count('"') % 2 == 0 && count('\'') % 2 == 0;
        if !is_balanced || !is_quoted || text.contains("\"\"\"") || text.contains("'''") {
            self.table = None;
        }
    }
}

/// Whether a text is the name of a key in other programs: a name, and no secret.
fn is_synonym(name: &str) -> bool {
    let name = name.trim().trim_matches(['"', '\'']);
    SYNONYMS.iter().any(|(other, _)| *other == name)
}

/// A known table that a line opens, as `[listen]` or as `listen:`, and the bytes that do so. Missing brackets are tolerated.
fn heading(content: &str) -> Option<(&'static TableSchema, usize)> {
    let code = content.split('#').next().unwrap_or_default().trim_end();
    let name = match code.strip_suffix(':') {
        Some(name) => name,
        None if code.starts_with('[') => code.trim_matches(['[', ']']).trim(),
        None => return None,
    };
    // `#` and what follows is a comment, and hidden.
    table_of(name).filter(|table| !table.path.is_empty()).map(|table| (table, code.len()))
}

/// A value that can be shown.
struct Value {
    /// Its bytes.
    length: usize,
    /// Whether it is a list that is not closed.
    is_open: bool,
}

/// What a value is within.
enum Level {
    List,
    Table { table: &'static TableSchema, place: Option<Place>, is_assigned: bool },
}

impl Value {
    /// The value of a key, if it is certainly nothing else and contains no secret. A comment after it is not part of it.
    fn read(place: Place, text: &str, is_continued: bool) -> Option<Self> {
        if !place.is_shown() {
            return None;
        }
        // `==`, `:=` and `=>` are one separator.
        let begin = text.len() - text.trim_start_matches(['=', ':', '>', ' ', '\t']).len();
        let begin = if is_continued { 0 } else { begin };
        let value = text.get(begin..)?;
        let mut levels = if is_continued { vec![Level::List] } else { Vec::new() };
        let (mut length, mut strings, mut atoms) = (0, 0, 0);
        for token in Source::new(value).lex() {
            let part = value.get(token.span().start()..token.span().end())?;
            match token.kind() {
                TokenKind::Whitespace => continue,
                TokenKind::Comment | TokenKind::Eof => break,
                // JSON has a comma after a value.
                TokenKind::Comma if levels.is_empty() => {
                    if !value.get(token.span().end()..)?.trim().is_empty() {
                        return None;
                    }
                    length = token.span().end();
                    break;
                }
                _ => length = token.span().start() + Self::step(place, token, part, &mut levels)?,
            }
            if levels.is_empty() {
                let is_string = matches!(token.kind(), TokenKind::BasicString | TokenKind::LiteralString);
                strings += usize::from(is_string);
                atoms += usize::from(token.kind() == TokenKind::Atom && part != ";");
                if strings > 1 || (strings == 1 && atoms > 0) {
                    return None;
                }
            }
        }
        if has_secret(place.key.shown, value.get(..length)?) {
            return None;
        }
        match levels.as_slice() {
            [] => Some(Self { length: begin + length, is_open: false }),
            [Level::List] => Some(Self { length: begin + length, is_open: true }),
            _ => None,
        }
    }

    /// Takes one token and returns how many of its bytes belong to the value; `None` if that is not certain.
    fn step(place: Place, token: Token, part: &str, levels: &mut Vec<Level>) -> Option<usize> {
        let current = match levels.last() {
            Some(Level::Table { place: Some(place), is_assigned: true, .. }) => Some(*place),
            Some(Level::Table { .. }) => None,
            Some(Level::List) => levels
                .iter()
                .rev()
                .find_map(|level| match level {
                    Level::Table { place, .. } => Some(*place),
                    Level::List => None,
                })
                .unwrap_or(Some(place)),
            None => Some(place),
        };
        match (token.kind(), current) {
            (TokenKind::LeftSquareBracket, Some(_)) => levels.push(Level::List),
            (TokenKind::RightSquareBracket, _) => {
                levels.pop_if(|level| matches!(level, Level::List))?;
            }
            (TokenKind::LeftCurlyBracket, Some(current)) => {
                levels.push(Level::Table { table: current.inner()?, place: None, is_assigned: false });
            }
            (TokenKind::RightCurlyBracket, _) => {
                levels.pop_if(|level| matches!(level, Level::Table { .. }))?;
            }
            (TokenKind::Comma, _) => {
                if let Some(Level::Table { place, is_assigned, .. }) = levels.last_mut() {
                    (*place, *is_assigned) = (None, false);
                }
            }
            (TokenKind::Equals, None) => match levels.last_mut()? {
                Level::Table { place: Some(_), is_assigned, .. } => *is_assigned = true,
                _ => return None,
            },
            (TokenKind::BasicString | TokenKind::LiteralString, Some(current)) => {
                if has_secret(current.key.shown, part) {
                    return None;
                }
                let is_closed = part.len() > 1 && part.ends_with(['"', '\'']);
                if !is_closed {
                    if part.contains(['=', '{', '}']) {
                        return None;
                    }
                    levels.clear();
                    return Some(part.find(" #").unwrap_or(part.len()));
                }
            }
            (TokenKind::Atom | TokenKind::Dot, Some(current)) => {
                if has_secret(current.key.shown, part) {
                    return None;
                }
            }
            (TokenKind::Atom | TokenKind::BasicString | TokenKind::LiteralString, None) => {
                match levels.last_mut()? {
                    Level::Table { table, place: place @ None, .. } => {
                        *place = Some(Place::new(table, part.trim_matches(['"', '\'']))?)
                            .filter(|place| place.is_shown());
                        (*place)?;
                    }
                    _ => return None,
                }
            }
            _ => return None,
        }
        Some(part.len())
    }
}
