//! What the schema says of a table and of a key.

use crate::config::suggest::quote;

/// A kind of table.
#[derive(Debug)]
pub(in crate::config) struct TableSchema {
    /// The prefix of its keys in messages, such as `domain.route`; empty for a whole file.
    pub(in crate::config) path: &'static str,
    /// How the table is opened, such as `[[domain.route]]`.
    pub(in crate::config) heading: &'static str,
    /// Its keys.
    pub(in crate::config) keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub(in crate::config) struct Key {
    pub(in crate::config) name: &'static str,
    /// A valid value; empty for a table.
    pub(in crate::config) example: &'static str,
    pub(in crate::config) shown: Shown,
    /// The values that it takes.
    pub(in crate::config) form: Form,
}

/// The values that a key takes.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Form {
    /// Those of the example's type.
    Example,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// A list of these names.
    Choices(&'static [&'static str]),
    /// A text, or a list of texts.
    TextOrTexts,
    /// A table.
    Table(&'static TableSchema),
    /// Tables, or a list of them.
    Tables(&'static TableSchema),
    /// A list of texts and tables.
    TextsOrTables(&'static TableSchema),
    /// A table whose keys the operator chooses, with such a table each.
    TableByName(&'static TableSchema),
    /// A table whose keys the operator chooses, with a text each.
    TextByName,
    /// A table whose keys the operator chooses, with the name of an encoding each.
    EncodingByName,
}

impl Key {
    /// The same key with values of another form than the example alone shows.
    pub(in crate::config) const fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The table, or each of the tables, that is its value.
    pub(in crate::config) const fn table(&self) -> Option<&'static TableSchema> {
        match self.form {
            Form::Table(kind) | Form::Tables(kind) => Some(kind),
            _ => None,
        }
    }

    /// The same key for one of these names.
    pub(in crate::config) const fn choice(self, names: &'static [&'static str]) -> Self {
        self.form(Form::Choice(names))
    }
}

/// What messages may show of a key's value. Values of other keys than those of the schema are never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Shown {
    /// The value; of a table, what its own schema allows.
    Value,
    /// The value, unless it is a URL with user information or a query, which may be secrets.
    Address,
    /// References to secrets by name, such as `{ api-key = { file = "secrets/key" } }`, and nothing else.
    References,
    /// A reference to a secret, such as `{ file = "secrets/key" }`, and nothing else.
    Reference,
    /// Nothing.
    Nothing,
    /// The values of a table, not its keys: some servers treat a header's name as a secret.
    Encodings,
}

pub(in crate::config) const fn key(name: &'static str, example: &'static str) -> Key {
    Key { name, example, shown: Shown::Value, form: Form::Example }
}

pub(in crate::config) const fn address(name: &'static str, example: &'static str) -> Key {
    Key { name, example, shown: Shown::Address, form: Form::Example }
}

pub(in crate::config) const fn references(name: &'static str, example: &'static str) -> Key {
    Key { name, example, shown: Shown::References, form: Form::Example }
}

pub(in crate::config) const fn reference(name: &'static str, example: &'static str) -> Key {
    Key { name, example, shown: Shown::Reference, form: Form::Example }
}

pub(in crate::config) const fn hidden(name: &'static str, example: &'static str) -> Key {
    Key { name, example, shown: Shown::Nothing, form: Form::Example }
}

pub(in crate::config) const fn encodings(name: &'static str, example: &'static str) -> Key {
    Key { name, example, shown: Shown::Encodings, form: Form::Example }
}

impl TableSchema {
    /// The names of the keys.
    pub(in crate::config) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// Whether the table is of `edge.toml` or of a file that it includes.
    pub(in crate::config) fn is_of_edge(&self) -> bool {
        !self.path.starts_with("application") && self.key("application").is_none()
    }

    /// A key of this table.
    pub(in crate::config) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// A key's whole path, such as `domain.client_auth`.
    pub(in crate::config) fn path_of(&self, key: &str) -> String {
        match self.path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// The example of a key.
    pub(in crate::config) fn example(&self, key: &str) -> &'static str {
        self.key(key).map_or("", |key| key.example)
    }
}

/// A key as TOML writes it: bare if possible, else in quotes.
pub(in crate::config) fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain { key.to_owned() } else { quote(key) }
}
