//! The nodes of a TOML document: a table, whose keys are values, and a value, which may be a table or a list again.
//!
//! Each read gives the value in the type of its key, or reports why it cannot and gives nothing.

mod guess;
mod scalar;
mod unknown;

use std::cell::RefCell;

use toml::de::{DeTable, DeValue};

use super::{
    diagnostic::{Fault, Problem},
    reader::Reader,
    redact,
    schema::{TableSchema, bare},
    span::{Span, Spanned},
};

/// A table, and the keys that were read from it.
pub(super) struct Table<'a> {
    pub(super) reader: &'a Reader,
    pub(super) kind: &'static TableSchema,
    /// The table's heading, or the opening brace.
    pub(super) span: Span,
    entries: Option<&'a DeTable<'a>>,
    /// The keys that were read, whether they are written or not.
    asked: RefCell<Vec<&'static str>>,
    /// Known keys that an unknown key is probably a misspelling of. They are not reported as missing.
    misspelt: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    /// A table of the document.
    pub(super) fn new(
        reader: &'a Reader,
        kind: &'static TableSchema,
        span: Span,
        entries: &'a DeTable<'a>,
    ) -> Self {
        Self { entries: Some(entries), ..Self::absent(reader, kind, span) }
    }

    /// A table that is not in the document: every key has its default.
    pub(super) fn absent(reader: &'a Reader, kind: &'static TableSchema, span: Span) -> Self {
        Self { reader, kind, span, entries: None, asked: RefCell::default(), misspelt: RefCell::default() }
    }

    /// The value of a key, if the key is written.
    pub(super) fn get(&self, key: &'static str) -> Option<Value<'a>> {
        self.asked.borrow_mut().push(key);
        let value: &'a toml::Spanned<DeValue<'a>> = self.entries?.get(key)?;
        Some(Value {
            reader: self.reader,
            kind: self.kind,
            key,
            entry: None,
            example: (key, self.kind.example(key)),
            span: self.reader.span(value.span()),
            toml: value.get_ref(),
        })
    }

    /// The value of a key that has no default.
    pub(super) fn require(&self, key: &'static str) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() && !self.is_misspelt(&[key]) {
            let heading = self.kind.heading;
            self.reader.report(
                Problem::error(&self.span, self.path(key), format!("missing: {heading} must have {key:?}"))
                    .help(format!("write {key} = {}", self.kind.example(key))),
            );
        }
        value
    }

    /// A table within this one; if it is absent, all its keys have their defaults.
    pub(super) fn table(&self, kind: &'static TableSchema, key: &'static str) -> Table<'a> {
        let absent = || Table::absent(self.reader, kind, self.span.clone());
        self.get(key).and_then(|value| value.table(kind)).unwrap_or_else(absent)
    }

    /// The tables of an array of tables; `None` if the key is absent or has another type.
    pub(super) fn tables(&self, kind: &'static TableSchema, key: &'static str) -> Option<Vec<Table<'a>>> {
        self.get(key)?.tables(kind)
    }

    /// The position of a key, if it is written.
    pub(super) fn key_span(&self, key: &str) -> Option<Span> {
        let (key, _) = self.entries?.get_key_value(key)?;
        Some(self.reader.span(key.span()))
    }

    /// The key's whole path, such as `domain.client_auth`.
    pub(super) fn path(&self, key: &str) -> String {
        self.kind.path_of(key)
    }
}

/// A value with its key and its position.
pub(super) struct Value<'a> {
    pub(super) reader: &'a Reader,
    /// The table that the key belongs to.
    pub(super) kind: &'static TableSchema,
    pub(super) key: &'static str,
    /// The operator's own name for the value, if the key's value is a table with names of the operator's choice.
    pub(super) entry: Option<&'a str>,
    /// A name and a valid value, for help; the value may be empty.
    pub(super) example: (&'static str, &'static str),
    pub(super) span: Span,
    pub(super) toml: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    /// The key's whole path, such as `upstream.headers.cname-api-key`.
    pub(super) fn path_of_key(&self) -> String {
        let path = self.kind.path_of(self.key);
        self.entry.map_or(path.clone(), |entry| format!("{path}.{}", bare(entry)))
    }

    /// The text as it is written, with quotes.
    fn written(&self) -> &'a str {
        let reader: &'a Reader = self.reader;
        reader.source.text().get(self.span.range.clone()).unwrap_or_default()
    }

    /// Whether variables were expanded in it.
    fn is_expanded(&self) -> bool {
        self.kind.is_of_edge() && self.written().contains("${")
    }

    /// Whether messages must not show it: as it is written, or as its variables were expanded.
    fn is_secret(&self) -> bool {
        fn any_secret(value: &DeValue<'_>) -> bool {
            match value {
                DeValue::String(text) => redact::may_be_secret(text),
                DeValue::Array(items) => items.iter().any(|item| any_secret(item.get_ref())),
                _ => false,
            }
        }
        self.span.is_secret() || (self.is_expanded() && any_secret(self.toml))
    }

    /// Reports an error at this value.
    pub(super) fn refuse<T>(&self, fault: Fault) -> Option<T> {
        self.reader.report(fault.at(&self.span, self.path_of_key()));
        None
    }

    /// Adds the position of this value to what was read from it.
    pub(super) fn locate<T>(&self, value: T) -> Spanned<T> {
        Spanned { value, span: self.span.clone() }
    }

    /// A list. Items that cannot be read are reported and left out.
    pub(super) fn list<T>(&self, read: impl Fn(&Value<'a>) -> Option<T>) -> Option<Vec<T>> {
        let DeValue::Array(items) = self.toml else {
            // The string may be a URL with a password in it, so it is not repeated.
            if let DeValue::String(_) = self.toml {
                let fault = Fault::new("found a string, expected a list of strings");
                return self.refuse(fault.help(self.write(guess::list(self).as_deref())));
            }
            return self.wrong_type_with("a list", guess::list(self).as_deref());
        };
        let item = |item: &'a toml::Spanned<DeValue<'a>>| Value {
            span: self.reader.span(item.span()),
            toml: item.get_ref(),
            ..*self
        };
        Some(items.iter().filter_map(|value| read(&item(value))).collect())
    }

    /// A list with at least one item.
    pub(super) fn filled_list<T>(&self, read: impl Fn(&Value<'a>) -> Option<T>) -> Option<Vec<T>> {
        if matches!(self.toml, DeValue::Array(items) if items.is_empty()) {
            let what = "found an empty list, expected at least one item";
            return self.refuse(Fault::new(what).help(self.write_example()));
        }
        self.list(read)
    }

    /// A table.
    pub(super) fn table(&self, kind: &'static TableSchema) -> Option<Table<'a>> {
        match self.toml {
            DeValue::Table(entries) => Some(Table::new(self.reader, kind, self.span.clone(), entries)),
            DeValue::Array(_) if kind.heading.starts_with('[') => self.refuse(
                Fault::new(format!("found a list, expected one table {}", kind.heading))
                    .help(format!("write {} with single brackets, and only once", kind.heading)),
            ),
            _ => self.not_a_table(&format!("a table {}", kind.heading), kind),
        }
    }

    /// The tables of an array of tables.
    pub(super) fn tables(&self, kind: &'static TableSchema) -> Option<Vec<Table<'a>>> {
        match self.toml {
            DeValue::Array(_) => self.list(|item| match item.toml {
                DeValue::Table(entries) => Some(Table::new(item.reader, kind, item.span.clone(), entries)),
                _ => item.not_a_table(&format!("a table {}", kind.heading), kind),
            }),
            DeValue::Table(_) => self.refuse(
                Fault::new(format!("found one table, expected a list of tables {}", kind.heading))
                    .help(format!("write {} with double brackets", kind.heading)),
            ),
            _ => self.not_a_table(&format!("a list of tables {}", kind.heading), kind),
        }
    }

    fn not_a_table<T>(&self, expected: &str, kind: &TableSchema) -> Option<T> {
        let fault = self.wrong_type_fault(expected, None);
        let help = || {
            if kind.heading.starts_with('[') {
                format!("write {} on a line of its own, and its keys below it", kind.heading)
            } else {
                self.write_example()
            }
        };
        self.refuse(Fault { help: fault.help.or_else(|| Some(help())), ..fault })
    }

    /// The entries of a table whose keys are names of the operator's choice, in the order written, each with the key's position.
    /// `expected` names the table in messages.
    pub(super) fn entries(&self, expected: &str) -> Option<Vec<(Spanned<String>, Value<'a>)>> {
        let DeValue::Table(entries) = self.toml else {
            // The value may be a secret, so only its type is named.
            let found = self.toml.type_str();
            let what = format!("found {} {found}, expected {expected}", article(found));
            return self.refuse(Fault::new(what).help(self.write_example()));
        };
        let mut entries: Vec<_> = entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&'a toml::Spanned<_>, &'a toml::Spanned<DeValue<'a>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            let value = Value {
                entry: Some(name),
                example: (self.key, ""),
                span: self.reader.span(value.span()),
                toml: value.get_ref(),
                ..*self
            };
            (Spanned { value: name.to_string(), span: self.reader.span(key.span()) }, value)
        };
        Some(entries.into_iter().map(entry).collect())
    }
}

/// `a` or `an`.
pub(super) fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
