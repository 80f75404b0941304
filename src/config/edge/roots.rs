//! The root tables of one configuration: that of `edge.toml`, and those of the files that it includes.

use toml::de::DeValue;

use crate::config::{diagnostic::Fault, node::Table, schema::TableSchema};

/// The root tables.
pub(in crate::config) struct Roots<'a> {
    /// That of `edge.toml`.
    pub(super) main: Table<'a>,
    included: Vec<Table<'a>>,
    /// Whether an included file cannot be read: what it has is unknown.
    is_incomplete: bool,
}

impl<'a> Roots<'a> {
    /// `is_complete` is whether all included files were read.
    pub(in crate::config) fn new(main: Table<'a>, included: Vec<Table<'a>>, is_complete: bool) -> Self {
        let is_incomplete = !is_complete || main.is_misspelt(&["include"]);
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
        let tables = self.tables(kind, key);
        // What is written and not a list was reported.
        let is_empty = |root: &Table<'a>| match root.get(key) {
            Some(value) => matches!(value.toml, DeValue::Array(items) if items.is_empty()),
            None => true,
        };
        if tables.is_empty() && self.all().all(is_empty) && !self.may_have_more(key) {
            let fault = Fault::new(format!("missing: at least one [[{key}]] is needed")).help(minimal);
            match self.all().find_map(|root| root.get(key)) {
                Some(empty) => return empty.refuse(fault).unwrap_or_default(),
                None => self.main.reader.report(fault.at(&self.main.span, key)),
            }
        }
        tables
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
