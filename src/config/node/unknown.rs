//! Keys that a table does not have: what was probably meant by them.

use toml::de::{DeTable, DeValue};

use super::Table;
use crate::config::{
    diagnostic::Problem,
    public_key,
    schema::{EDGE, INCLUDED, REGISTRY, SYNONYMS, TABLES, TableSchema, bare},
    suggest::{all_of, near, quote},
};

impl<'a> Table<'a> {
    /// Whether an unknown key is probably a misspelling of one of these keys, none of which the table has. Then `finish` reports that
    /// unknown key, and nothing else needs to be reported.
    pub(in crate::config) fn is_misspelt(&self, keys: &[&str]) -> bool {
        let unknown = self.unknown().into_iter();
        let meant: Vec<&'static str> =
            unknown.filter_map(|(key, _)| self.meant(key)).filter(|meant| keys.contains(meant)).collect();
        let is_misspelt = !meant.is_empty();
        self.misspelt.borrow_mut().extend(meant);
        is_misspelt
    }

    /// The keys that are not in the schema, in the order written, with their values.
    pub(in crate::config) fn unknown(&self) -> Vec<(&'a str, &'a DeValue<'a>)> {
        let entries = self.entries.into_iter().flat_map(DeTable::iter);
        let mut unknown: Vec<_> =
            entries.filter(|(key, _)| self.kind.names().all(|name| name != &**key.get_ref())).collect();
        unknown.sort_by_key(|(key, _)| key.span().start);
        unknown.into_iter().map(|(key, value)| (&**key.get_ref(), value.get_ref())).collect()
    }

    /// The key that was probably meant by an unknown one.
    fn meant(&self, found: &str) -> Option<&'static str> {
        near(found, self.kind.names()).or_else(|| {
            let own = |own: &&str| self.kind.names().any(|name| name == *own);
            SYNONYMS.iter().filter(|(other, _)| *other == found).map(|(_, own)| *own).find(own)
        })
    }

    /// Reports every key that was not read. To be called after all known keys were read.
    pub(in crate::config) fn finish(&self) {
        let Some(entries) = self.entries else { return };
        let asked = self.asked.borrow();
        let mut unknown: Vec<_> =
            entries.iter().filter(|(key, _)| !asked.contains(&&**key.get_ref())).collect();
        unknown.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in unknown {
            let name = key.get_ref();
            // The span of a table's key is its name without the brackets.
            let span = self.reader.span(key.span());
            let what = match (&self.kind.path, value.get_ref()) {
                (&"", DeValue::Table(_)) => format!("unknown table [{}]", bare(name)),
                _ => format!("unknown key {}", quote(name)),
            };
            let problem = Problem::error(&span, self.path(&bare(name)), what);
            self.reader.report(problem.help(self.advice(name, value.get_ref(), &asked)));
        }
    }

    /// The help for an unknown key: what was probably meant.
    fn advice(&self, found: &str, value: &DeValue<'_>, known: &[&'static str]) -> String {
        if !self.kind.is_of_edge()
            && let Some(advice) = public_key::help_for_key(value)
        {
            return advice;
        }
        if self.kind.heading == INCLUDED.heading {
            if EDGE.key(found).is_some() {
                return format!("write {} in edge.toml: {}", bare(found), Self::INCLUDED_HAS);
            }
            if REGISTRY.key(found).is_some() {
                return "applications belong to the files that [trust] applications names".to_owned();
            }
        }
        let meant = self.meant(found);
        if let Some(meant) = meant.filter(|meant| self.misspelt.borrow().contains(meant)) {
            return format!("did you mean {meant:?}?");
        }
        let is_of_edge = self.kind.is_of_edge();
        let family = |kind: &TableSchema| kind.is_of_edge() == is_of_edge;
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
        known.dedup();
        format!("the keys of {} are {}", self.kind.heading, all_of(known))
    }

    const INCLUDED_HAS: &'static str =
        "an included file has only [[domain]], [[upstream]], [[header_profile]] and [[token_issuer]]";
}
