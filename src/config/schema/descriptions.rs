//! What the documentation says of each key, so that editors show the same text.

use super::key::{Key, TableSchema};

/// The page with a row for each key.
const PAGE: &str = include_str!("../../../docs/configuration.md");

/// The rows of one table of the page: name and description.
type Rows = Vec<(&'static str, &'static str)>;

/// The tables of the page whose rows are keys, each with the heading of its section.
#[derive(Debug)]
pub(super) struct Descriptions(Vec<(&'static str, Rows)>);

impl Descriptions {
    /// Reads the page.
    pub(super) fn new() -> Self {
        let mut tables: Vec<(&str, Rows)> = Vec::new();
        let (mut section, mut is_in_table) = ("", false);
        for line in PAGE.lines() {
            if let Some(heading) = line.strip_prefix("### ") {
                section = heading;
            }
            let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else {
                is_in_table = false;
                continue;
            };
            if row.starts_with("key |") {
                is_in_table = true;
                tables.push((section, Vec::new()));
            } else if let (true, Some((_, rows)), Some((name, rest))) =
                (is_in_table, tables.last_mut(), row.split_once(" | "))
            {
                let description = rest.rsplit(" | ").next().unwrap_or_default();
                rows.extend(name.split(", ").map(|name| (name.trim_matches('`'), description)));
            }
        }
        Self(tables)
    }

    /// The description of a key: that in the section of its table, else that in the smallest table which has all its keys.
    pub(super) fn of(&self, table: &TableSchema, key: &Key) -> Option<String> {
        let in_section = self
            .0
            .iter()
            .filter(|(section, _)| {
                *section == table.heading || (table.path.is_empty() && *section == key.name)
            })
            .find_map(|(_, rows)| row(rows, key.name));
        let has_all = |rows: &&Rows| table.names().all(|name| row(rows, name).is_some());
        let elsewhere = || self.0.iter().map(|(_, rows)| rows).filter(has_all).min_by_key(|rows| rows.len());
        in_section.or_else(|| row(elsewhere()?, key.name)).map(without_links)
    }
}

fn row(rows: &Rows, name: &str) -> Option<&'static str> {
    rows.iter().find(|(other, _)| *other == name).map(|(_, description)| *description)
}

/// A text whose links, as `[text](target)`, are their texts.
fn without_links(text: &str) -> String {
    let mut parts = text.split("](");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(at) = opening_bracket(&plain) {
            plain.remove(at);
        }
        plain.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    plain
}

/// The byte of the bracket that is still open at the end of a text. A link's text may have brackets of its own.
fn opening_bracket(text: &str) -> Option<usize> {
    let mut closed = 0_usize;
    for (at, character) in text.char_indices().rev() {
        match character {
            ']' => closed += 1,
            '[' if closed == 0 => return Some(at),
            '[' => closed -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_their_texts() {
        for (text, expected) in [
            ("see [the page](page.md).", "see the page."),
            ("the CA of [`[acme]`](#acme), or [none](a.md#b)", "the CA of `[acme]`, or none"),
            ("`[[domain]]` without links", "`[[domain]]` without links"),
        ] {
            assert_eq!(without_links(text), expected);
        }
    }
}
