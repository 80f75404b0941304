//! Warnings about tables that nothing refers to.

use crate::{
    config::{diagnostic::Problem, node::Table, settings::Domain, span::Spanned, suggest::quote},
    site::Authenticate,
};

/// The names of the tables of one kind in order, `None` for one that is invalid.
type Names = [Option<Spanned<String>>];

/// Reports the tables that no domain or route uses: most often, the key that should name them is missing.
pub(super) fn report(
    root: &Table<'_>,
    domains: &[Domain],
    (upstreams, profiles, token_issuers): (&Names, &Names, &Names),
) {
    // What is reported already may be the reason.
    if root.reader.has_errors() {
        return;
    }
    let report = |name: &Spanned<String>, table: &str, key: &str, by: &str, effect: &str| {
        let written = quote(&name.value);
        let problem = Problem::warning(
            &name.span,
            format!("{table}.name"),
            format!("no {by} uses {written}: {effect}"),
        );
        root.reader
            .report(problem.help(format!("write {key} = {written} in a {by}, or remove this [[{table}]]")));
    };
    for (index, name) in named(upstreams) {
        if !domains.iter().any(|domain| domain.upstream == index) {
            let effect = "no request is sent to it, and /status does not list it";
            report(name, "upstream", "upstream", "[[domain]]", effect);
        }
    }
    for (_, name) in named(profiles) {
        if !domains.iter().any(|domain| domain.header_profile.value == name.value) {
            let effect = "its headers are only removed from requests";
            report(name, "header_profile", "header_profile", "[[domain]]", effect);
        }
    }
    let routes = || domains.iter().flat_map(|domain| &domain.routes);
    for (index, name) in named(token_issuers) {
        let uses = |rule: Authenticate| matches!(rule, Authenticate::Token(rule) if rule.issuer == index);
        if !routes().any(|route| uses(route.spec.authenticate)) {
            let effect = "its access tokens are accepted nowhere";
            report(name, "token_issuer", "token_issuer", "[[domain.route]]", effect);
        }
    }
}

fn named(names: &Names) -> impl Iterator<Item = (usize, &Spanned<String>)> {
    names.iter().enumerate().filter_map(|(index, name)| Some((index, name.as_ref()?)))
}
