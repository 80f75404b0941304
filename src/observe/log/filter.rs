//! The log filter in `tracing`'s syntax, from the configuration or the environment.

use std::fmt;

use crate::text::suggest::{did_you_mean, quote};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// Targets that a filter from the environment may name without a level.
const TARGETS: [&str; 6] = ["mtls_edge", "h2", "hyper", "hyper_util", "rustls", "notify"];
const USUAL: &str = "write it such as \"info\" or \"info,mtls_edge=debug\"";

/// An invalid log filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidFilter {
    /// What was found and what was expected.
    pub what: String,
    /// How to fix it.
    pub help: String,
}

impl InvalidFilter {
    fn new(what: String, help: impl Into<String>) -> Self {
        Self { what, help: help.into() }
    }
}

impl fmt::Display for InvalidFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.help)
    }
}

/// Parses a filter from the environment. It accepts what other programs accept there: levels as numbers, empty parts, and targets
/// without a level.
///
/// # Errors
///
/// The same as those of [`log_filter`].
pub fn usual_filter(text: &str) -> Result<String, InvalidFilter> {
    let usual = |part: &str| {
        let (target, level) =
            part.rsplit_once('=').map_or((None, part), |(target, level)| (Some(target), level));
        let level =
            level.trim().parse().ok().and_then(|number: usize| LEVELS.get(number).copied()).unwrap_or(level);
        match target {
            Some(target) => format!("{target}={level}"),
            None if TARGETS.contains(&level.trim()) => format!("{level}=trace"),
            None => level.to_owned(),
        }
    };
    let parts: Vec<String> = text.split(',').filter(|part| !part.trim().is_empty()).map(usual).collect();
    log_filter(&parts.join(","))
}

/// Parses a filter, and removes whitespace, since `tracing` accepts a filter with whitespace but matches nothing with it.
///
/// # Errors
///
/// If it is not a log filter.
pub fn log_filter(text: &str) -> Result<String, InvalidFilter> {
    let parts = text.split(',').map(part).collect::<Result<Vec<_>, _>>()?.join(",");
    match parts.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(parts),
        Err(error) => Err(InvalidFilter::new(
            format!("found {}, which is not a log filter: {error}", quote(text)),
            USUAL,
        )),
    }
}

/// Parses a level, or a target with its level. A single word must be a level: taken as a target, a misspelt level would log
/// everything.
fn part(text: &str) -> Result<String, InvalidFilter> {
    let text = text.trim();
    let (target, level) = match text.rsplit_once('=') {
        Some((target, level)) => (Some(target.trim()), level.trim()),
        None => (None, text),
    };
    let invalid = |help: String| {
        let what = format!("found {}, expected a level or target=level", quote(text));
        Err(InvalidFilter::new(what, help))
    };
    let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_word(level) && !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
        let help = other_level(level)
            .map(|level| format!("did you mean {level:?}?"))
            .or_else(|| did_you_mean(level, LEVELS))
            .unwrap_or_else(|| USUAL.to_owned());
        return invalid(help);
    }
    // Spans have their own syntax.
    let named = target.unwrap_or(level);
    if !named.contains('[') && !named.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:".contains(&b)) {
        if is_word(&named.replace(['-', ':'], "_")) {
            return invalid(format!("write {}: targets have underscores", quote(&text.replace('-', "_"))));
        }
        return invalid(format!("{USUAL}, with commas between the parts"));
    }
    Ok(target.map_or_else(|| level.to_owned(), |target| format!("{target}={level}")))
}

/// The `tracing` level nearest to one of syslog, Java, Python or nginx.
fn other_level(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "warning" | "warnings" | "wrn" => "warn",
        "err" | "errors" | "fatal" | "severe" | "critical" | "crit" | "alert" | "emerg" | "panic" => "error",
        "notice" | "information" | "informational" | "normal" | "config" => "info",
        "verbose" | "fine" | "dbg" => "debug",
        "all" | "finest" | "silly" => "trace",
        "none" | "silent" | "quiet" | "disabled" | "false" => "off",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_in_filters_is_ignored() {
        for (text, read_as) in [
            ("info", "info"),
            (" info ", "info"),
            ("INFO", "INFO"),
            ("info, mtls_edge=debug", "info,mtls_edge=debug"),
            ("info,mtls_edge = debug", "info,mtls_edge=debug"),
            ("mtls_edge::access=off,info", "mtls_edge::access=off,info"),
            ("mtls_edge::access", "mtls_edge::access"),
            ("[request{id=1}]=debug", "[request{id=1}]=debug"),
        ] {
            assert_eq!(log_filter(text).as_deref(), Ok(read_as), "{text}");
            assert_eq!(usual_filter(text).as_deref(), Ok(read_as), "{text}");
        }
        for (text, read_as) in
            [("info,", "info"), ("5,h2=0", "trace,h2=off"), ("h2,info", "h2=trace,info"), (",3", "info")]
        {
            assert_eq!(usual_filter(text).as_deref(), Ok(read_as), "{text}");
            assert!(log_filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn filters_that_match_nothing_are_refused() {
        for (text, help) in [
            ("mtls-edge=debug", "write \"mtls_edge=debug\": targets have underscores"),
            ("info,mtls-edge::access=off", "write \"mtls_edge::access=off\": targets have underscores"),
            ("info;mtls_edge=debug", "with commas between the parts"),
            ("info mtls_edge=debug", "with commas between the parts"),
            ("info|debug", "with commas between the parts"),
            ("mtls_edge=dbug", "debug"),
            ("6", "write it such as"),
            ("tokio", "write it such as"),
        ] {
            let why = usual_filter(text).unwrap_err().to_string();
            assert!(why.contains(help), "{text}: {why}");
            assert!(log_filter(text).is_err(), "{text}");
        }
    }
}
