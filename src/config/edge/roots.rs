//! The root tables of one configuration: that of `edge.toml`, and those of the files that it includes.

use toml::de::DeValue;

use crate::config::{
    diagnostic::{Fault, Problem},
    node::Table,
    schema::TableSchema,
};

/// The root tables.
pub(in crate::config) struct Roots<'a> {
    /// That of `edge.toml`.
    pub(super) main: Table<'a>,
    included: Vec<Table<'a>>,
    /// Whether an included file cannot be read: what it has is unknown.
    is_incomplete: bool,
}

impl<'a> Roots<'a> {
    /// `included` may lack some of the files, of which there are `files`.
    pub(in crate::config) fn new(main: Table<'a>, included: Vec<Table<'a>>, files: usize) -> Self {
        let is_incomplete = included.len() < files || main.is_misspelt(&["include"]);
        Self { main, included, is_incomplete }
    }

    fn all(&self) -> impl Iterator<Item = &Table<'a>> {
        std::iter::once(&self.main).chain(&self.included)
    }

    /// The tables of an array of tables, in the order of the files.
    pub(super) fn tables(&self, kind: &'static TableSchema, key: &'static str) -> Vec<Table<'a>> {
        self.all().flat_map(|root| root.tables(kind, key).unwrap_or_default()).collect()
    }

    /// The tables of an array of tables. Reports it if there is none in all files.
    pub(super) fn require_tables(
        &self,
        kind: &'static TableSchema,
        key: &'static str,
        minimal: &str,
    ) -> Vec<Table<'a>> {
        let (main, missing) = (&self.main, format!("missing: at least one [[{key}]] is needed"));
        let is_empty_list = |root: &Table<'a>| {
            root.get(key).filter(|value| matches!(value.toml, DeValue::Array(items) if items.is_empty()))
        };
        if self.all().all(|root| root.key_span(key).is_none()) && !self.may_have_more(key) {
            main.reader.report(Problem::error(&main.span, key, missing).help(minimal));
        } else if let Some(empty) = self.included.is_empty().then(|| is_empty_list(main)).flatten() {
            return empty.refuse(Fault::new(missing).help(minimal)).unwrap_or_default();
        }
        self.tables(kind, key)
    }

    /// Whether there may be further tables than those that were read: a name is misspelt, or a file cannot be read.
    pub(super) fn may_have_more(&self, key: &'static str) -> bool {
        // Each of them is asked, since an answer is remembered.
        let misspelt = self.all().filter(|root| root.is_misspelt(&[key])).count();
        self.is_incomplete || misspelt > 0
    }

    /// Whether an error was found.
    pub(in crate::config) fn has_errors(&self) -> bool {
        self.all().any(|root| root.reader.has_errors())
    }

    /// Reports the keys of each file that were not read.
    pub(in crate::config) fn finish(&self) {
        self.all().for_each(Table::finish);
    }
}
