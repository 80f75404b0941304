//! The settings of the log.

use std::path::{Path, PathBuf};

use super::access_format::AccessFormat;

/// The settings of `[log]`.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `text` or `json`.
    pub format: LogFormat,
    /// The operator's own format of access log lines. Default: that of the other lines.
    pub access_format: Option<AccessFormat>,
    /// A `tracing` filter such as `info` or `mtls_edge=debug`; `RUST_LOG` wins.
    pub level: String,
    /// Where lines are written.
    pub to: LogTarget,
    /// The share of successful requests that are logged, from 0 to 1.
    pub successes: f64,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text, for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// Each format by its name in the configuration.
    pub const NAMES: [(&'static str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

/// Where log lines are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// To standard error.
    #[default]
    StandardError,
    /// To this file.
    File(PathBuf),
    /// To standard error and this file.
    Both(PathBuf),
}

impl LogTarget {
    /// The file.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::StandardError => None,
            Self::File(path) | Self::Both(path) => Some(path),
        }
    }

    /// Whether lines are written to standard error.
    #[must_use]
    pub fn has_standard_error(&self) -> bool {
        !matches!(self, Self::File(_))
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            access_format: None,
            level: "info".to_owned(),
            to: LogTarget::default(),
            successes: 1.0,
        }
    }
}
