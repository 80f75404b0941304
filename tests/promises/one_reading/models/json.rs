//! JSON by parsers that accept more than RFC 8259. Members with the same name are all read.

use super::escapes::lossy;
use crate::one_reading::raw_request::Clients;

/// The clients in the members of a body's first object; `is_name` selects the members.
pub fn members(body: &[u8], is_name: impl Fn(&str) -> bool) -> Clients {
    let mut parser = Parser { text: lossy(body).trim_start_matches('\u{feff}').chars().collect(), at: 0 };
    let mut found = Clients::new();
    parser.blanks();
    if parser.take('{').is_none() {
        return found;
    }
    // Members before malformed text are read: streaming parsers have already reported them.
    while let Some((name, value)) = parser.member() {
        if let (true, Some(value)) = (is_name(&name), value) {
            found.insert(value);
        }
        if parser.take(',').or_else(|| parser.take(';')).is_none() {
            break;
        }
    }
    found.remove("");
    found
}

struct Parser {
    text: Vec<char>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Skips whitespace and comments.
    fn blanks(&mut self) {
        while let Some(c) = self.peek() {
            let rest: String = self.text[self.at..].iter().take(2).collect();
            if c.is_whitespace() || c == '\0' || c == '\u{feff}' {
                self.at += 1;
            } else if rest == "/*" {
                let end = self.text[self.at..].windows(2).position(|two| two == ['*', '/']);
                self.at = end.map_or(self.text.len(), |end| self.at + end + 2);
            } else if rest == "//" || c == '#' {
                self.at += self.text[self.at..].iter().take_while(|c| **c != '\n').count();
            } else {
                return;
            }
        }
    }

    fn member(&mut self) -> Option<(String, Option<String>)> {
        self.blanks();
        let name = match self.peek()? {
            '"' | '\'' => self.string()?,
            c if c.is_alphabetic() || c == '_' => self.word(),
            _ => return None,
        };
        self.blanks();
        self.take(':').or_else(|| self.take('='))?;
        self.blanks();
        let value = match self.peek()? {
            '"' | '\'' => Some(self.string()?),
            '[' | '{' => {
                self.nested()?;
                None
            }
            _ => Some(self.word()),
        };
        self.blanks();
        Some((name, value))
    }

    fn word(&mut self) -> String {
        let word: String = self.text[self.at..]
            .iter()
            .take_while(|c| !c.is_whitespace() && !",:;=}]".contains(**c))
            .collect();
        self.at += word.chars().count();
        word
    }

    fn string(&mut self) -> Option<String> {
        let quote = self.peek()?;
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.peek()?;
            self.at += 1;
            match c {
                _ if c == quote => return Some(text),
                '\\' => {
                    let escaped = self.peek()?;
                    self.at += 1;
                    match escaped {
                        'u' => {
                            let digits: String = self.text[self.at..].iter().take(4).collect();
                            self.at = (self.at + 4).min(self.text.len());
                            let code = u32::from_str_radix(&digits, 16).ok()?;
                            text.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                        }
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        'b' => text.push('\u{8}'),
                        'f' => text.push('\u{c}'),
                        other => text.push(other),
                    }
                }
                other => text.push(other),
            }
        }
    }

    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                '"' => {
                    self.string()?;
                    continue;
                }
                '[' | '{' => depth += 1,
                ']' | '}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}
