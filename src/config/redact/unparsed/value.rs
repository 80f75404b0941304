//! Values in a text that is not TOML that can be shown: those of simple form that are certainly the whole value of their key.

use crate::config::{
    redact::has_secret,
    schema::{Key, Shown, TableSchema, table_of},
};

/// A key with the table that it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Place {
    table: &'static TableSchema,
    key: &'static Key,
}

impl Place {
    pub(super) fn new(table: &'static TableSchema, name: &str) -> Option<Self> {
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

/// A key without blanks and quotes around it.
pub(super) fn key_of(text: &str) -> &str {
    let text = text.trim();
    let quoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').or_else(|| quoted('\'')).unwrap_or(text)
}

/// A value that can be shown.
pub(super) struct Value {
    /// Its bytes.
    pub(super) length: usize,
    /// Whether it is a list that is not closed.
    pub(super) is_open: bool,
}

impl Value {
    /// What follows a key and its separator, if it is certainly the key's value and contains no secret. A comment after it is not
    /// part of it.
    pub(super) fn read(place: Place, text: &str) -> Option<Self> {
        // `==`, `:=` and `=>` are one separator.
        let rest = text.trim_start_matches(['=', ':', '>', ' ', '\t']);
        let mut cursor = Cursor { rest, left: rest.len() };
        if !place.is_shown() {
            return None;
        }
        let is_missing = rest.is_empty() || rest.starts_with('#');
        let is_open = !is_missing && cursor.value(place, true)?;
        cursor.finish(place, text, is_open)
    }

    /// A line within the list of a key. Only strings are certainly items: a word may be a key.
    pub(super) fn items(place: Place, text: &str) -> Option<Self> {
        let mut cursor = Cursor { rest: text, left: text.len() };
        let is_open = cursor.items(place, false)?;
        cursor.finish(place, text, is_open)
    }
}

/// The position in a line.
struct Cursor<'a> {
    rest: &'a str,
    /// The bytes after the last part of the value.
    left: usize,
}

impl Cursor<'_> {
    /// The first character after blanks.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        self.rest.chars().next()
    }

    fn take(&mut self, length: usize) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        self.left = self.rest.len();
        Some(())
    }

    /// The end of a line: nothing but a comment may follow, and one comma (JSON) or semicolon.
    fn finish(mut self, place: Place, text: &str, is_open: bool) -> Option<Value> {
        if matches!(self.peek(), Some(',' | ';')) {
            self.take(1)?;
        }
        if !matches!(self.peek(), None | Some('#')) {
            return None;
        }
        let length = text.len() - self.left;
        (!has_secret(place.key.shown, text.get(..length)?)).then_some(Value { length, is_open })
    }

    /// Takes a value, and returns whether it is a list that is not closed. `is_alone`: nothing else is on the line.
    fn value(&mut self, place: Place, is_alone: bool) -> Option<bool> {
        match self.peek()? {
            '[' => {
                self.take(1)?;
                self.items(place, true)
            }
            '{' => self.table(place.inner()?).map(|()| false),
            _ => self.scalar(place, is_alone).map(|()| false),
        }
    }

    /// Takes items of a list with commas between them, and its closing bracket if there is one.
    fn items(&mut self, place: Place, are_words_allowed: bool) -> Option<bool> {
        let mut is_after_item = false;
        loop {
            match self.peek() {
                None | Some('#') => return Some(true),
                Some(']') => {
                    self.take(1)?;
                    return Some(false);
                }
                Some(',') if is_after_item => {
                    self.take(1)?;
                    is_after_item = false;
                    continue;
                }
                Some(_) if is_after_item => return None,
                Some('{') => self.table(place.inner()?)?,
                Some('"' | '\'') => self.scalar(place, false)?,
                Some(_) if are_words_allowed => self.scalar(place, false)?,
                Some(_) => return None,
            }
            is_after_item = true;
        }
    }

    /// Takes an inline table of known keys.
    fn table(&mut self, table: &'static TableSchema) -> Option<()> {
        self.take(1)?;
        loop {
            if self.peek()? == '}' {
                return self.take(1);
            }
            let equals = self.rest.find('=')?;
            let place =
                Place::new(table, key_of(self.rest.get(..equals)?)).filter(|place| place.is_shown())?;
            self.take(equals + 1)?;
            if self.value(place, false)? {
                return None;
            }
            match self.peek()? {
                ',' => self.take(1)?,
                '}' => {}
                _ => return None,
            }
        }
    }

    /// Takes a string or a word. A string that is not closed is shown only if it is alone.
    fn scalar(&mut self, place: Place, is_alone: bool) -> Option<()> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let Some(quote) = quote else { return self.word(place) };
        self.take(1)?;
        let Some(length) = self.rest.find(quote) else {
            return if is_alone { self.word(place) } else { None };
        };
        let content = self.rest.get(..length)?;
        self.take(length + 1)?;
        // Three quotes begin a string of several lines.
        let is_long = length == 0 && self.rest.starts_with(quote);
        (!is_long && is_plain(content) && !has_secret(place.key.shown, content)).then_some(())
    }

    /// Takes a word without quotes.
    fn word(&mut self, place: Place) -> Option<()> {
        // Brackets within a word are those of an IPv6 address.
        let mut depth = 0_usize;
        let end = self.rest.char_indices().find(|(_, c)| match c {
            '[' => {
                depth += 1;
                false
            }
            ']' if depth > 0 => {
                depth -= 1;
                false
            }
            c => !is_in_word(*c),
        });
        let length = end.map_or(self.rest.len(), |(at, _)| at);
        let word = self.rest.get(..length)?;
        self.take(length)?;
        // Quotation marks of word processors.
        let bare = word.trim_matches(|c: char| !c.is_ascii() && !c.is_alphanumeric());
        let is_in_brackets = bare.starts_with('[');
        let is_word = !bare.is_empty()
            && (!is_in_brackets || is_numeric_address(bare))
            && bare.chars().all(|c| c.is_ascii() || c.is_alphanumeric());
        (is_word && !is_assignment(bare) && !has_secret(place.key.shown, word)).then_some(())
    }
}

fn is_in_word(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "_-./:+*~\\$%@".contains(c)
    } else {
        !c.is_whitespace() && !c.is_control()
    }
}

/// Whether the content of a closed string is certainly nothing but a value: a quote of another string may have closed it.
fn is_plain(content: &str) -> bool {
    let marks = ['"', '\'', '#', '{', '}', ';'];
    let assignments = ["= ", " =", ": ", " :", "=>", " //", " --"];
    !content.contains(marks)
        && !content.contains(char::is_control)
        && !assignments.iter().any(|assignment| content.contains(assignment))
}

/// Whether a word is made as an IP address in digits, with or without a port or a prefix length, or as a fingerprint.
fn is_numeric_address(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_hexdigit() || ":./[]".contains(c)) && !word.ends_with(':')
}

/// Whether a colon in a word may be that between a key and a value, not that of a URL, an address, or a Windows path.
fn is_assignment(word: &str) -> bool {
    let url = word.strip_prefix("https://").or_else(|| word.strip_prefix("http://"));
    let address = url.unwrap_or(word);
    let Some((host, last)) = address.rsplit_once(':') else { return false };
    let is_host = !host.contains(':') || is_numeric_address(host);
    let port = last.split('/').next().unwrap_or_default();
    let is_port = is_host && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let is_path = url.is_none() && host.len() == 1 && last.starts_with('\\');
    !(is_port || is_path || is_numeric_address(address))
}
