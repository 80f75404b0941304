//! The same for a text that is not TOML, line by line.
//!
//! Of such a line only this is shown: the name of a known table, a known key, and its value if the schema allows that and the value
//! is certainly the only one on the line. After a line that may continue as something else, everything is masked up to the next
//! known table.

mod value;

use std::ops::Range;

use self::value::{Place, Value, key_of};
use crate::config::schema::{SYNONYMS, TableSchema, table_of};

/// The hidden bytes of a text, whose lines begin in this table.
pub(super) fn hidden(file: &'static TableSchema, text: &str) -> Vec<Range<usize>> {
    let mut lines = Lines { table: Some(file), list: None, string: None, lost: None, hidden: Vec::new() };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        lines.read(start, line.trim_end());
        start += line.len();
    }
    lines.hidden
}

struct Lines {
    /// The table whose keys are expected; `None` if that is not certain.
    table: Option<&'static TableSchema>,
    /// The key whose list is open at the end of the previous line.
    list: Option<Place>,
    /// The quotes that close the string of several lines in which the previous line ends.
    string: Option<&'static str>,
    /// The indentation of the last line if it was not understood: in YAML, lines with more of it continue it.
    lost: Option<usize>,
    hidden: Vec<Range<usize>>,
}

impl Lines {
    fn read(&mut self, start: usize, line: &str) {
        let end = start + line.len();
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if content.is_empty() {
            return;
        }
        if self.string.is_some() {
            return self.skip(start, end, content);
        }
        if content.starts_with('#') {
            return self.hide_from(start + indent, end);
        }
        let is_bracket = content.starts_with('[');
        let is_continued = self.lost.is_some_and(|lost| indent > lost);
        if let Some((table, length)) = heading(content).filter(|_| is_bracket || !is_continued) {
            (self.table, self.list, self.lost) = (Some(table), None, None);
            return self.hide_from(start + indent + length, end);
        }
        if is_bracket {
            self.table = None;
        }
        let list = self.list.take();
        let Some(table) = self.table.filter(|_| !is_continued) else { return self.skip(start, end, content) };
        self.lost = None;
        let (name, value) =
            content.split_once(['=', ':']).map_or((content, None), |(name, value)| (name, Some(value)));
        let key = key_of(name);
        let (place, value, is_item) = match (Place::new(table, key), value, list) {
            // The key alone.
            (Some(_), None, _) => return,
            (Some(place), Some(value), _) => (place, value, false),
            (None, Some(value), _) if is_synonym(key) => {
                return self.lose(end - value.len(), end, indent, value);
            }
            (None, _, Some(list)) => (list, content, true),
            (None, ..) => return self.lose(start, end, indent, content),
        };
        let begin = end - value.len();
        let read = if is_item { Value::items(place, value) } else { Value::read(place, value) };
        match read {
            Some(Value { length, is_open }) => {
                self.list = is_open.then_some(place);
                self.hide_from(begin + length, end);
            }
            None => self.lose(begin, end, indent, value),
        }
    }

    fn hide_from(&mut self, begin: usize, end: usize) {
        if begin < end {
            self.hidden.push(begin..end);
        }
    }

    /// Hides a line of which nothing is expected.
    fn skip(&mut self, begin: usize, end: usize, text: &str) {
        self.hide_from(begin, end);
        self.string = open_string(self.string, text);
        if self.string.is_some() {
            self.table = None;
        }
    }

    /// Hides what is not understood. If it may continue on the next lines, these are hidden, too.
    fn lose(&mut self, begin: usize, end: usize, indent: usize, text: &str) {
        self.lost = Some(indent);
        let count = |c: char| text.matches(c).count();
        let is_balanced = [('{', '}'), ('[', ']'), ('(', ')')].iter().all(|(a, b)| count(*a) == count(*b));
        let is_quoted = count('"') % 2 == 0 && count('\'') % 2 == 0;
        // `<<` begins a text of several lines, and a backslash at the end continues one.
        if !is_balanced || !is_quoted || text.contains("<<") || text.ends_with('\\') {
            self.table = None;
        }
        self.skip(begin, end, text);
    }
}

/// The quotes of a string of several lines in which a line ends, given those in which it begins.
fn open_string(mut open: Option<&'static str>, mut text: &str) -> Option<&'static str> {
    const QUOTES: [&str; 2] = ["\"\"\"", "\'\'\'"];
    loop {
        let first = || QUOTES.into_iter().filter_map(|quotes| Some((text.find(quotes)?, quotes))).min();
        let next = match open {
            Some(quotes) => text.find(quotes).map(|at| (at, quotes)),
            None => first(),
        };
        let Some((at, quotes)) = next else { return open };
        open = if open.is_some() { None } else { Some(quotes) };
        text = text.get(at + quotes.len()..).unwrap_or_default();
    }
}

/// Whether a text is the name of a key in other programs: a name, and no secret.
fn is_synonym(name: &str) -> bool {
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
