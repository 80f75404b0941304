//! Refuses what the configuration can express and the edge does not enforce yet. Each function is one feature; the change that
//! enforces it removes the function.

use crate::config::{
    Problem, Span,
    settings::{Domain, Settings},
};

/// The features in `edge.toml` that are not enforced yet.
pub(super) fn of_settings(settings: &Settings) -> Vec<Problem> {
    let domains = &settings.domains;
    domains.iter().filter_map(security_profile).collect()
}

fn problem(span: &Span, key: &str) -> Problem {
    Problem::error(span, key, "not supported yet: this version of the edge does not enforce it")
        .help("remove it until a version of the edge supports it")
}

fn security_profile(domain: &Domain) -> Option<Problem> {
    domain.security_profile.as_ref().map(|profile| problem(&profile.span, "domain.profile"))
}
