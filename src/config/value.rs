//! One value of a TOML table, read into the type that its key has, or refused with a reason.

use std::{fmt::Display, ops::RangeInclusive, path::PathBuf, time::Duration};

use toml::de::DeValue;

use super::{
    diagnostic::Problem,
    guess,
    schema::TableSchema,
    span::{Span, Spanned},
    suggest::{any_of, did_you_mean, quote},
    table::{Reader, Table, bare},
};

/// Why a text does not do, and what would.
pub(super) struct Fault {
    /// What was found and what was expected.
    pub(super) what: String,
    /// What would do.
    pub(super) help: Option<String>,
}

impl Fault {
    /// A fault without advice.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None }
    }

    /// The same fault with what would do.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// What a path is called.
const PATH: &str = "the path of a file";

/// A value, its key and its place.
pub(super) struct Value<'a> {
    pub(super) reader: &'a Reader,
    /// The table that the key belongs to.
    pub(super) kind: &'static TableSchema,
    pub(super) key: &'static str,
    /// The operator's own name for it, where the key holds a table of such.
    pub(super) entry: Option<&'a str>,
    /// What would do: a name and a value, which may be empty.
    pub(super) example: (&'static str, &'static str),
    pub(super) span: Span,
    pub(super) toml: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    /// The whole path of the key, as `upstream.headers.cname-api-key`.
    pub(super) fn path_of_key(&self) -> String {
        let path = self.kind.path_of(self.key);
        self.entry.map_or(path.clone(), |entry| format!("{path}.{}", bare(entry)))
    }

    /// Reports that the value does not do.
    pub(super) fn refuse<T>(&self, fault: Fault) -> Option<T> {
        let problem = Problem::error(&self.span, self.path_of_key(), fault.what);
        self.reader.report(Problem { help: fault.help, ..problem });
        None
    }

    /// The value with its place.
    pub(super) fn locate<T>(&self, value: T) -> Spanned<T> {
        Spanned { value, span: self.span.clone() }
    }

    /// A string, not empty.
    pub(super) fn string(&self) -> Option<Spanned<String>> {
        self.parse("a string", |text| Ok(text.to_owned()))
    }

    /// A string that says something of its own.
    pub(super) fn parse<T>(
        &self,
        expected: &str,
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<Spanned<T>> {
        let DeValue::String(text) = self.toml else {
            // A number in quotes is hardly the name of a file.
            let meant = if expected == PATH && !self.toml.is_array() {
                None
            } else {
                guess::string(self, |text| read(text).map(|_| ()))
            };
            return self.wrong_type_with(expected, meant.as_deref());
        };
        if text.is_empty() {
            return self.refuse(
                Fault::new(format!("found an empty string, expected {expected}")).help(self.write_example()),
            );
        }
        match read(text) {
            Ok(value) => Some(self.locate(value)),
            Err(fault) => self.refuse(guess::unseen(self, text, |text| read(text).is_ok()).unwrap_or(fault)),
        }
    }

    /// A path, joined to the folder of the file.
    pub(super) fn path(&self) -> Option<Spanned<PathBuf>> {
        self.parse(PATH, |text| {
            if text.contains("-----BEGIN") {
                let what = "found the text of a PEM file, expected the path of a file";
                return Err(Fault::new(what).help(self.write_example()));
            }
            if text.contains('\0') {
                let what = format!("found {}, expected the path of a file", quote(text));
                return Err(Fault::new(what).help(self.write_example()));
            }
            Ok(self.reader.folder.join(text))
        })
    }

    /// One of a table of names.
    pub(super) fn choice<T: Copy>(&self, names: &[(&str, T)]) -> Option<Spanned<T>> {
        let expected = any_of(names.iter().map(|(name, _)| format!("{name:?}")));
        self.parse(&expected, |text| {
            if let Some((_, value)) = names.iter().find(|(name, _)| *name == text) {
                return Ok(*value);
            }
            let what = format!("found {}, expected {expected}", quote(text));
            let help = did_you_mean(text, names.iter().map(|(name, _)| *name));
            Err(Fault::new(what).help(help.unwrap_or_else(|| self.write_example())))
        })
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.toml {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type_with("true or false", guess::boolean(self).as_deref()),
        }
    }

    /// A whole number within a range.
    pub(super) fn integer<T>(&self, range: &RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + Display,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(number) = self.toml else {
            return self.wrong_type_with(&expected, guess::integer(self, range).as_deref());
        };
        let value = i128::from_str_radix(number.as_str(), number.radix()).ok();
        if let Some(value) =
            value.and_then(|value| T::try_from(value).ok()).filter(|value| range.contains(value))
        {
            return Some(value);
        }
        // A number that no i128 holds is too large, unless it has a sign.
        let is_negative = value.map_or(number.as_str().starts_with('-'), |value| value < 1);
        let is_small = is_negative
            || value.and_then(|value| T::try_from(value).ok()).is_some_and(|value| value < *range.start());
        let (bound, side) = if is_small { (range.start(), "more") } else { (range.end(), "less") };
        let help = format!(
            "{} or {side}; without the key its default applies",
            self.write(Some(&bound.to_string()))
        );
        self.refuse(Fault::new(format!("found {number}, expected {expected}")).help(help))
    }

    /// A time as `"10s"`, within a range.
    pub(super) fn duration(&self, range: &RangeInclusive<Duration>) -> Option<Duration> {
        const EXAMPLES: &str = "write it as \"500ms\", \"10s\" or \"2m\"";
        let [shortest, longest] = [range.start(), range.end()].map(|end| humantime::format_duration(*end));
        let expected = format!("a duration from {shortest} to {longest}");
        if let DeValue::Integer(number) = self.toml {
            let what = format!("found integer {number}, expected {expected} with its unit");
            return self.refuse(Fault::new(what).help(format!("write \"{number}s\"")));
        }
        let read = |text: &str| {
            let found = quote(text);
            let fault = |found: String| Fault::new(format!("found {found}, expected {expected}"));
            let value = humantime::parse_duration(text).map_err(|_| {
                let is_number = text.bytes().all(|b| b.is_ascii_digit());
                let meant = if is_number { format!("write \"{text}s\"") } else { EXAMPLES.to_owned() };
                fault(found.clone()).help(meant)
            })?;
            if range.contains(&value) {
                return Ok(value);
            }
            let (bound, side) = if value < *range.start() { (&shortest, "more") } else { (&longest, "less") };
            let line = self.write(Some(&format!("\"{bound}\"")));
            Err(fault(found).help(format!("{line} or {side}; without the key its default applies")))
        };
        self.parse(&expected, read).map(|located| located.value)
    }

    /// A list; items that do not do are reported and left out.
    pub(super) fn list<T>(&self, read: impl Fn(&Value<'a>) -> Option<T>) -> Option<Vec<T>> {
        let DeValue::Array(items) = self.toml else {
            // An URL with a password in it must not be echoed, so no string is.
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

    /// A list with at least one item; an empty one is refused.
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
            DeValue::Array(_) => self.list(|item| item.table_of_list(kind)),
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

    fn table_of_list(&self, kind: &'static TableSchema) -> Option<Table<'a>> {
        match self.toml {
            DeValue::Table(entries) => Some(Table::new(self.reader, kind, self.span.clone(), entries)),
            _ => self.not_a_table(&format!("a table {}", kind.heading), kind),
        }
    }

    /// The entries of a table whose keys are the operator's own, in the order written, with each key's place.
    pub(super) fn entries(&self) -> Option<Vec<(Spanned<String>, Value<'a>)>> {
        let DeValue::Table(entries) = self.toml else {
            // What stands here instead may be a secret: its type is all that is said.
            let found = self.toml.type_str();
            let what = format!("found {} {found}, expected a table of headers", article(found));
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

    /// Reports a value of another type than the key has, with the value that was probably meant, as TOML has it.
    fn wrong_type_with<T>(&self, expected: &str, meant: Option<&str>) -> Option<T> {
        self.refuse(self.wrong_type_fault(expected, meant))
    }

    fn wrong_type_fault(&self, expected: &str, meant: Option<&str>) -> Fault {
        let found = match self.toml {
            DeValue::String(text) => format!("string {}", quote(text)),
            DeValue::Integer(number) => format!("integer {number}"),
            DeValue::Float(number) => format!("float {number}"),
            DeValue::Boolean(value) => format!("boolean {value}"),
            DeValue::Datetime(value) => format!("date {value}"),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        let variable = self.toml.as_str().and_then(guess::variable);
        let why = if variable.is_some() { ": variables are not expanded" } else { "" };
        let fault = Fault::new(format!("found {found}, expected {expected}{why}"));
        let has_help = meant.is_some() || !self.example.1.is_empty();
        if has_help { fault.help(self.write(meant)) } else { fault }
    }

    /// The line to write: with the value that was probably meant, or else with an example.
    fn write(&self, meant: Option<&str>) -> String {
        let (name, example) = self.example;
        format!("write {name} = {}", meant.unwrap_or(example))
    }

    fn write_example(&self) -> String {
        self.write(None)
    }
}

/// `a` or `an`.
pub(super) fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
