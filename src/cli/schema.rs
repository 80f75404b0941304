//! `schema`: prints the JSON Schema of a configuration file, for editors.

use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value;

use super::print;
use crate::config::{applications_schema, edge_schema};

/// A configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum File {
    /// edge.toml
    Edge,
    /// applications.toml
    Applications,
}

impl File {
    /// The text of its schema.
    pub(super) fn schema(self) -> String {
        let schema: Value = match self {
            Self::Edge => edge_schema(),
            Self::Applications => applications_schema(),
        };
        format!("{schema:#}\n")
    }
}

/// Prints the schema.
pub(super) fn schema(file: File) -> ExitCode {
    print::result(file.schema(), ExitCode::SUCCESS)
}
