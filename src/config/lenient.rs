//! Finds single values of an `edge.toml` whose other parts may be invalid.

use std::{
    borrow::Cow,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::DeTable;

use super::{
    Problem,
    expand::expand,
    input::Input,
    parse::{Parsed, settings},
    redact,
    settings::{DEFAULT_APPLICATIONS, SecretSource},
    span::{Source, Span, Spanned},
    toml_text::read_lossy,
};
use crate::{admin, observe::log::LogFormat};

/// Where and how operators reach the edge.
#[derive(Debug, Default)]
pub struct Operators {
    /// The admin address; none if it is off or cannot be found.
    pub admin: Option<SocketAddr>,
    /// The address of health checks, if there is one.
    pub health: Option<SocketAddr>,
    /// The token of the admin address, if it has one.
    pub token: Option<SecretSource>,
    /// The certificate of the admin address, if it speaks TLS.
    pub certificate: Option<PathBuf>,
}

/// Finds out how operators reach the edge, and returns all problems of the file. They want the status especially of an edge whose
/// configuration is invalid.
#[must_use]
pub fn operators(input: &Input) -> (Operators, Vec<Problem>) {
    let Parsed { settings, problems, .. } = settings(input);
    let operators = match settings {
        Some(settings) => Operators {
            admin: settings.listen.admin.value,
            health: settings.listen.health.map(|health| health.value),
            token: settings.admin.token.map(|token| token.value),
            certificate: settings.admin.identity.map(|identity| identity.certificate.value),
        },
        None => read_lossy(input).map(|text| guess(input.path(), &text)).unwrap_or_default(),
    };
    (operators, problems)
}

fn guess(path: &Path, text: &str) -> Operators {
    let (document, errors) = DeTable::parse_recoverable(text);
    let value = |keys: &[&str]| {
        let (last, tables) = keys.split_last()?;
        let table =
            tables.iter().try_fold(document.get_ref(), |table, key| table.get(*key)?.get_ref().as_table());
        Some(table?.get(*last)?.get_ref().as_str().map(expanded))
    };
    let admin = match value(&["listen", "admin"]) {
        Some(Some(text)) => Some(text),
        // The table's name is misspelt, or a syntax error hides the line.
        found if found.is_none() || !errors.is_empty() => {
            let line = text.lines().find_map(admin_line);
            line.or_else(|| found.is_none().then(|| admin::DEFAULT_ADDRESS.to_string()))
        }
        _ => None,
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = value(&["admin", "token", "file"]).flatten().map(|file| SecretSource::File(folder.join(file)));
    let env = || value(&["admin", "token", "env"]).flatten().map(SecretSource::Env);
    Operators {
        admin: admin.and_then(|address| strip_quotes(&address).parse().ok()),
        health: value(&["listen", "health"]).flatten().and_then(|address| address.parse().ok()),
        token: file.or_else(env),
        certificate: value(&["admin", "certificate"]).flatten().map(|file| folder.join(file)),
    }
}

/// Finds the path of the registry, and where it is written. Without the key it is the default, if there is such a file: the line may be hidden by a syntax
/// error. None if it cannot be found.
#[must_use]
pub fn registry(input: &Input) -> Option<Spanned<PathBuf>> {
    let source = Source::new(input.path(), read_lossy(input)?, redact::edge);
    let (document, _) = DeTable::parse_recoverable(source.text());
    let folder = input.path().parent().unwrap_or(Path::new(""));
    let trust = document.get_ref().get("trust").and_then(|trust| trust.get_ref().as_table());
    let (path, range) = match trust.and_then(|trust| trust.get("applications")) {
        Some(written) => (folder.join(expanded(written.get_ref().as_str()?)), written.span()),
        None => (Some(folder.join(DEFAULT_APPLICATIONS)).filter(|path| path.exists())?, 0..0),
    };
    drop(document);
    Some(Spanned { value: path, span: Span { source: Arc::new(source), range } })
}

/// Finds the format of log lines. It is the default if it cannot be found.
#[must_use]
pub fn log_format(input: &Input) -> LogFormat {
    let text = read_lossy(input).unwrap_or_default();
    let (document, _) = DeTable::parse_recoverable(&text);
    let format = document.get_ref().get("log").and_then(|log| log.get_ref().get("format"));
    let written = format.and_then(|format| format.get_ref().as_str()).map(expanded);
    let known = LogFormat::NAMES.iter().find(|(name, _)| Some(*name) == written.as_deref());
    known.map(|(_, format)| *format).unwrap_or_default()
}

/// The text with its variables expanded, or as it is if one has no value.
fn expanded(text: &str) -> String {
    expand(text).map_or_else(|_| text.to_owned(), Cow::into_owned)
}

/// The value of a line `admin = "..."`. No other table has a key `admin`.
fn admin_line(line: &str) -> Option<String> {
    let key = line.trim().trim_start_matches("listen.").trim_start_matches(['"', '\'']);
    let value = key.strip_prefix("admin")?;
    // A separator must follow, so that admin_hosts does not match.
    let separators = [' ', '\t', '"', '\'', '=', ':'];
    let value = value.strip_prefix(separators)?.trim_start_matches(separators);
    Some(value.split('#').next().unwrap_or_default().to_owned())
}

/// An address without the whitespace and quotes around it; typographic quotes are removed too.
fn strip_quotes(address: &str) -> &str {
    address.trim_matches(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']')))
}
