//! Refuses what the configuration can express and the edge does not enforce yet. Each function is one feature; the change that
//! enforces it removes the function.

use crate::{
    config::{
        Problem, Span,
        settings::{Domain, Settings},
    },
    site::Authenticate,
};

/// The features in `edge.toml` that are not enforced yet.
pub(super) fn of_settings(settings: &Settings) -> Vec<Problem> {
    let domains = &settings.domains;
    domains.iter().filter_map(security_profile).chain(domains.iter().flat_map(access_tokens)).collect()
}

fn problem(span: &Span, key: &str) -> Problem {
    Problem::error(span, key, "not supported yet: this version of the edge does not enforce it")
        .help("remove it until a version of the edge supports it")
}

fn security_profile(domain: &Domain) -> Option<Problem> {
    domain.security_profile.as_ref().map(|profile| problem(&profile.span, "domain.profile"))
}

fn access_tokens(domain: &Domain) -> impl Iterator<Item = Problem> {
    let is_token = |authenticate| matches!(authenticate, Authenticate::Token(_));
    let routes = domain.routes.iter().filter(move |route| is_token(route.spec.authenticate));
    routes.map(|route| problem(&route.authenticate, "domain.route.authenticate"))
}
