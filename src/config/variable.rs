//! Variables as other programs write them: `${NAME}`, `$NAME`, `{{ ... }}`, `%NAME%`.

/// The first variable or template in a text, in the syntax of shells, systemd, Compose, Helm or Windows.
pub(super) fn variable(text: &str) -> Option<&str> {
    let enclosed = |open: &str, close: &str| {
        let rest = text.get(text.find(open)?..)?;
        rest.get(..rest.find(close)? + close.len())
    };
    let named = || {
        let rest = text.get(text.find('$')?..)?;
        let end = rest.char_indices().skip(1).find(|(_, c)| !(c.is_ascii_alphanumeric() || *c == '_'));
        let name = rest.get(..end.map_or(rest.len(), |(at, _)| at))?;
        name.get(1..2)?.chars().all(|c| c.is_ascii_alphabetic() || c == '_').then_some(name)
    };
    let windows = || {
        let rest = text.get(text.find('%')?..)?;
        let name = rest.get(1..)?.split_once('%').map(|(name, _)| name)?;
        let is_name = name.len() > 2 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        is_name.then(|| rest.get(..name.len() + 2)).flatten()
    };
    enclosed("${", "}")
        .or_else(|| enclosed("{{", "}}"))
        .or_else(|| enclosed("$(", ")"))
        .or_else(named)
        .or_else(windows)
}

/// The first variable or template, if it is in braces. Unlike `$name`, it is a mistake in any value.
pub(super) fn template(text: &str) -> Option<&str> {
    variable(text).filter(|variable| variable.starts_with(['{']) || variable.starts_with("${"))
}

/// The help for a variable that is not expanded; `is_edge` for a value of `edge.toml`.
pub(super) fn in_place_of(variable: &str, is_edge: bool) -> String {
    let name = variable.strip_prefix('$').filter(|name| is_edge && is_name(name));
    match name {
        Some(name) => format!("write ${{{name}}} for the environment variable, or the value itself"),
        None => format!("write the value itself in place of {variable}"),
    }
}

/// Whether a text is a valid name of an environment variable.
pub(super) fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}
