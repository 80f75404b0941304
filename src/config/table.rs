//! A cursor over one parsed TOML table that reads each key into its type, and collects every problem.
//!
//! Serde's derive stops at the first value that does not fit, and knows neither where the value stands nor
//! what would do instead. An operator who mends a file wants all of it at once: hence a reader by hand.

use std::{
    cell::{Cell, RefCell},
    ops::Range,
    path::PathBuf,
    sync::Arc,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    diagnostic::{Problem, Severity},
    public_key,
    schema::{EDGE, REGISTRY, SYNONYMS, TABLES, TableSchema},
    span::{Source, Span},
    suggest::{all_of, near},
    value::Value,
};

/// What reading one file has come to so far.
pub(super) struct Reader {
    /// The file.
    pub(super) source: Arc<Source>,
    /// The folder against which the file's paths are resolved.
    pub(super) folder: PathBuf,
    /// Where in the file the piece begins whose spans are at hand.
    begin: Cell<usize>,
    problems: RefCell<Vec<Problem>>,
}

impl Reader {
    /// A reader that has found nothing yet.
    pub(super) fn new(source: Arc<Source>) -> Self {
        let folder = source.path().parent().map(PathBuf::from).unwrap_or_default();
        Self { source, folder, begin: Cell::new(0), problems: RefCell::default() }
    }

    /// From here on spans count from this byte of the file.
    pub(super) fn begin(&self, begin: usize) {
        self.begin.set(begin);
    }

    /// Takes note of a problem.
    pub(super) fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Takes note of several.
    pub(super) fn report_all(&self, problems: Vec<Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    /// A place in the file, by a span of the piece that is read.
    pub(super) fn span(&self, span: Range<usize>) -> Span {
        let begin = self.begin.get();
        Span { source: Arc::clone(&self.source), range: begin + span.start..begin + span.end }
    }

    /// The end of what is written: where a table that is missing altogether would go.
    pub(super) fn end(&self) -> Span {
        let end = self.source.text().trim_end().len();
        Span { source: Arc::clone(&self.source), range: end..end }
    }

    /// Whether nothing was found that keeps the file from being used.
    pub(super) fn is_fine(&self) -> bool {
        self.problems.borrow().iter().all(|problem| problem.severity < Severity::Error)
    }

    /// All that was found.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// One table and the keys that were asked of it.
pub(super) struct Table<'a> {
    pub(super) reader: &'a Reader,
    pub(super) kind: &'static TableSchema,
    /// Where it is opened.
    pub(super) span: Span,
    entries: Option<&'a DeTable<'a>>,
    asked: RefCell<Vec<&'static str>>,
    /// Keys that are not reported as missing: an unknown key is likely a misspelling of each.
    misspelt: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    /// A cursor at a table that is written.
    pub(super) fn new(
        reader: &'a Reader,
        kind: &'static TableSchema,
        span: Span,
        entries: &'a DeTable<'a>,
    ) -> Self {
        Self { entries: Some(entries), ..Self::absent(reader, kind, span) }
    }

    /// A table that is not written: every key has its default.
    pub(super) fn absent(reader: &'a Reader, kind: &'static TableSchema, span: Span) -> Self {
        Self { reader, kind, span, entries: None, asked: RefCell::default(), misspelt: RefCell::default() }
    }

    /// The value of a key, if the key is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Value<'a>> {
        self.asked.borrow_mut().push(key);
        let value: &'a Spanned<DeValue<'a>> = self.entries?.get(key)?;
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
            let opened = self.kind.heading;
            self.reader.report(
                Problem::error(&self.span, self.path(key), format!("missing: {opened} must have {key:?}"))
                    .help(format!("write {key} = {}", self.kind.example(key))),
            );
        }
        value
    }

    /// A table within this one; absent, all of its keys have their defaults.
    pub(super) fn table(&self, kind: &'static TableSchema, key: &'static str) -> Table<'a> {
        let absent = || Table::absent(self.reader, kind, self.span.clone());
        self.get(key).and_then(|value| value.table(kind)).unwrap_or_else(absent)
    }

    /// The tables of an array of tables; `None` if the key is absent or of another type.
    pub(super) fn tables(&self, kind: &'static TableSchema, key: &'static str) -> Option<Vec<Table<'a>>> {
        self.get(key)?.tables(kind)
    }

    /// Where a key is written, if it is.
    pub(super) fn key_span(&self, key: &str) -> Option<Span> {
        let (key, _) = self.entries?.get_key_value(key)?;
        Some(self.reader.span(key.span()))
    }

    /// The key's whole path, as `domain.client_auth`.
    pub(super) fn path(&self, key: &str) -> String {
        self.kind.path_of(key)
    }

    /// Whether an unknown key is likely a misspelling of one of these keys, none of which the table has. Then that is the one
    /// mistake, and `finish` reports it.
    pub(super) fn is_misspelt(&self, keys: &[&str]) -> bool {
        let unknown = self.unknown().into_iter();
        let meant: Vec<&'static str> =
            unknown.filter_map(|(key, _)| self.meant(key)).filter(|meant| keys.contains(meant)).collect();
        let is_misspelt = !meant.is_empty();
        self.misspelt.borrow_mut().extend(meant);
        is_misspelt
    }

    /// The keys that this kind of table does not have, in the order written, with their values.
    pub(super) fn unknown(&self) -> Vec<(&'a str, &'a DeValue<'a>)> {
        let entries = self.entries.into_iter().flat_map(DeTable::iter);
        let mut unknown: Vec<_> =
            entries.filter(|(key, _)| self.kind.names().all(|name| name != &**key.get_ref())).collect();
        unknown.sort_by_key(|(key, _)| key.span().start);
        unknown.into_iter().map(|(key, value)| (&**key.get_ref(), value.get_ref())).collect()
    }

    /// The key that was most likely meant by an unknown one.
    fn meant(&self, found: &str) -> Option<&'static str> {
        near(found, self.kind.names()).or_else(|| {
            let own = |own: &&str| self.kind.names().any(|name| name == *own);
            SYNONYMS.iter().filter(|(other, _)| *other == found).map(|(_, own)| *own).find(own)
        })
    }

    /// Reports every key that nobody asked for. To be called when all known keys have been.
    pub(super) fn finish(&self) {
        let Some(entries) = self.entries else { return };
        let asked = self.asked.borrow();
        let mut unknown: Vec<_> =
            entries.iter().filter(|(key, _)| !asked.contains(&&**key.get_ref())).collect();
        unknown.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in unknown {
            let name = key.get_ref();
            // The key of a table is its whole heading; the brackets are no part of the name.
            let span = self.reader.span(key.span());
            let what = match (&self.kind.path, value.get_ref()) {
                (&"", DeValue::Table(_)) => format!("unknown table [{}]", bare(name)),
                _ => format!("unknown key {}", super::suggest::quote(name)),
            };
            let problem = Problem::error(&span, self.path(&bare(name)), what);
            self.reader.report(problem.help(self.advice(name, value.get_ref(), &asked)));
        }
    }

    /// What may have been meant by an unknown key.
    fn advice(&self, found: &str, value: &DeValue<'_>, known: &[&'static str]) -> String {
        if self.is_registry()
            && let Some(advice) = public_key::of_a_key(found, value)
        {
            return advice;
        }
        let meant = self.meant(found);
        if let Some(meant) = meant.filter(|meant| self.misspelt.borrow().contains(meant)) {
            return format!("did you mean {meant:?}?");
        }
        let family: fn(&TableSchema) -> bool =
            if self.is_registry() { is_registry } else { |kind| !is_registry(kind) };
        let homes: Vec<&str> = TABLES
            .iter()
            .filter(|kind| family(kind) && kind.names().any(|name| name == found))
            .map(|kind| kind.heading)
            .collect();
        if !homes.is_empty() {
            return format!("{found:?} is a key of {}", all_of(homes));
        }
        if let Some(meant) = meant.filter(|meant| known.contains(meant)) {
            return format!("did you mean {meant:?}?");
        }
        let elsewhere = SYNONYMS.iter().filter(|(other, _)| *other == found).find_map(|(_, own)| {
            let home = TABLES.iter().find(|kind| family(kind) && kind.names().any(|name| name == *own))?;
            Some(format!("did you mean {own:?}? It is a key of {}", home.heading))
        });
        if let Some(advice) = elsewhere {
            return advice;
        }
        let mut known = known.to_vec();
        known.sort_by_key(|key| self.kind.names().position(|name| name == *key));
        format!("the keys of {} are {}", self.kind.heading, all_of(known))
    }

    fn is_registry(&self) -> bool {
        std::ptr::eq(self.kind, REGISTRY) || (!std::ptr::eq(self.kind, EDGE) && is_registry(self.kind))
    }
}

fn is_registry(kind: &TableSchema) -> bool {
    kind.path.starts_with("application")
}

/// A key as TOML writes it: bare where it can be, else in quotes.
pub(super) fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain { key.to_owned() } else { super::suggest::quote(key) }
}
