//! `[[domain]]`: the DNS names that the edge serves, each with its certificate, TLS settings and routes.

use std::{collections::HashSet, ops::RangeInclusive, time::Duration};

use super::{
    acme::Authority,
    certificate::{ServerFiles, server_files},
    key_exchange::key_exchange_groups,
    report_duplicate_name, route,
};
use crate::config::{
    diagnostic::{Fault, Problem},
    node::{Table, Value},
    schema::ROUTE,
    settings::{Domain, Route},
    span::Spanned,
    suggest::{any_of, did_you_mean, quote},
    url,
    validate::domain_name,
};

use crate::{
    site::{Authenticate, RouteSpec, SecurityProfile, SignedRequest},
    tls::{CipherSuites, ClientAuth, MinVersion, TlsSpec},
    vouch::Profile,
};

/// The range of `session_lifetime`. TLS 1.3 allows at most seven days (RFC 8446 section 4.6.1).
const SESSION_LIFETIMES: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);

type Names = [Option<Spanned<String>>];

/// The names that domains and routes refer to; `None` for a table whose name is invalid.
pub(super) struct Named<'a> {
    pub(super) upstreams: &'a Names,
    pub(super) profiles: &'a Names,
    pub(super) token_issuers: &'a Names,
    pub(super) acme: &'a Authority,
}

/// Reads all domains. Returns `None` if one of them lacks a valid required key.
pub(super) fn read_all(tables: &[Table<'_>], known: &Named<'_>) -> Option<Vec<Domain>> {
    let mut names = Vec::new();
    let mut domains = Vec::new();
    for table in tables {
        let name = table.require("name").and_then(|value| value.parse("a DNS name", domain_name));
        if let Some(name) = &name {
            report_duplicate_name(table, &names, name);
        }
        names.push(name.clone());
        domains.push(read(table, name, known));
    }
    domains.into_iter().collect()
}

fn read(table: &Table<'_>, name: Option<Spanned<String>>, known: &Named<'_>) -> Option<Domain> {
    let files = server_files(table, name.as_ref(), known.acme);
    let default = TlsSpec::default();
    let modes =
        [("required", ClientAuth::Required), ("optional", ClientAuth::Optional), ("off", ClientAuth::Off)];
    let client_auth = table
        .get("client_auth")
        .and_then(|value| value.choice(&modes))
        .unwrap_or_else(|| Spanned { value: default.client_auth, span: table.span.clone() });
    let versions = [("1.2", MinVersion::Tls12), ("1.3", MinVersion::Tls13)];
    let min_version = table.get("min_tls_version").and_then(|value| value.choice(&versions));
    let min_version = min_version.map_or(default.min_version, |version| version.value);
    let suites = [("default", CipherSuites::Default), ("fapi", CipherSuites::Fapi)];
    let cipher_suites = table.get("cipher_suites").and_then(|value| value.choice(&suites));
    let key_exchange_groups = key_exchange_groups(table, min_version);
    let session_lifetime = table.get("session_lifetime").and_then(|value| value.duration(&SESSION_LIFETIMES));
    let ticket_keys = table.get("ticket_keys").and_then(|value| value.path());
    let ca_hints = table.get("ca_hints").and_then(|value| value.boolean());
    let upstream = upstream(table, known.upstreams);
    let header_profile = header_profile(table, known.profiles);
    let issuer = match table.get("issuer") {
        None => Some(None),
        Some(value) => value.parse("an issuer identifier", url::issuer).map(Some),
    };
    let audiences = audiences(table, issuer.as_ref());
    let profiles = [("fapi2", SecurityProfile::Fapi2)];
    let security_profile = table.get("profile").and_then(|value| value.choice(&profiles));
    let routes = routes(table, &client_auth, known.token_issuers);
    if matches!(issuer, Some(None)) && !table.is_misspelt(&["issuer"]) {
        report_missing_issuer(table, &routes);
    }
    table.finish();
    let ServerFiles { key_pairs, acme } = files?;
    Some(Domain {
        tls: TlsSpec {
            client_auth: client_auth.value,
            min_version,
            cipher_suites: match &security_profile {
                Some(Spanned { value: SecurityProfile::Fapi2, .. }) => CipherSuites::Fapi,
                None => cipher_suites.map_or(default.cipher_suites, |suites| suites.value),
            },
            key_exchange_groups,
            session_lifetime: session_lifetime.unwrap_or(default.session_lifetime),
            ca_hints: ca_hints.unwrap_or(default.ca_hints),
        },
        client_auth: client_auth.span,
        ticket_keys,
        routes,
        issuer: issuer?,
        audiences: audiences?,
        security_profile,
        header_profile: header_profile?,
        name: name?,
        key_pairs,
        acme,
        upstream: upstream?,
    })
}

/// The index of the upstream that the domain names, or of the only one.
fn upstream(table: &Table<'_>, upstreams: &Names) -> Option<usize> {
    let mut known: Vec<&str> = upstreams.iter().flatten().map(|name| name.value.as_str()).collect();
    let mut seen = HashSet::new();
    known.retain(|name| seen.insert(*name));
    let listed = any_of(known.iter().map(|name| quote(name)));
    let Some(value) = table.get("upstream") else {
        if known.len() > 1 && !table.is_misspelt(&["upstream"]) {
            let what = "missing: with several [[upstream]] tables, a domain must name one of them";
            let problem = Problem::error(&table.span, "domain.upstream", what);
            table.reader.report(problem.help(format!("write upstream = {listed}")));
        }
        return (upstreams.len() == 1).then_some(0);
    };
    value
        .parse("the name of an [[upstream]]", |text| {
            let index =
                upstreams.iter().position(|name| name.as_ref().is_some_and(|name| name.value == text));
            index
                .map(Some)
                .or_else(|| {
                    // It may be an upstream whose name is invalid, which was reported already.
                    upstreams
                        .iter()
                        .any(Option::is_none)
                        .then_some(None)
                        .or(upstreams.is_empty().then_some(None))
                })
                .ok_or_else(|| {
                    let what =
                        format!("found {}, expected the name of an [[upstream]]: {listed}", quote(text));
                    let help = || {
                        format!(
                            "write upstream = {listed}, or add an [[upstream]] with name = {}",
                            quote(text)
                        )
                    };
                    Fault::new(what).help(did_you_mean(text, known.iter().copied()).unwrap_or_else(help))
                })
        })
        .and_then(|index| index.value)
}

fn header_profile(table: &Table<'_>, profiles: &Names) -> Option<Spanned<String>> {
    let Some(value) = table.get("header_profile") else {
        return Some(Spanned { value: Profile::DEFAULT.to_owned(), span: table.span.clone() });
    };
    value.parse("the name of a header profile", |text| {
        let custom = profiles.iter().flatten().map(|name| name.value.as_str());
        let known: Vec<&str> = Profile::built_in_names().iter().copied().chain(custom).collect();
        if known.contains(&text) || profiles.iter().any(Option::is_none) {
            return Ok(text.to_owned());
        }
        let of_server = || {
            let profile = Profile::of_server(&text.to_ascii_lowercase())?;
            Some(format!("write header_profile = {profile:?}, as `mtls-edge init --for {text}` does"))
        };
        let help = did_you_mean(text, known.iter().copied())
            .or_else(of_server)
            .unwrap_or_else(|| format!("the profiles are {}", any_of(known)));
        Err(Fault::new(format!("found {}, expected the name of a header profile", quote(text))).help(help))
    })
}

/// Reports the first route that verifies request objects, which are addressed to the domain's issuer.
fn report_missing_issuer(table: &Table<'_>, routes: &[Route]) {
    let mut signed = routes.iter().filter(|route| route.spec.signed_request != SignedRequest::Off);
    if let Some(route) = signed.next() {
        let what =
            "missing: a request object is addressed to the domain's issuer, and the route verifies them";
        let problem = Problem::error(&route.signed_request, "domain.issuer", what);
        let help = format!(
            "write issuer = {} in [[domain]], exactly as the authorization server's metadata has it",
            table.kind.example("issuer")
        );
        table.reader.report(problem.help(help));
    }
}

/// Reads the further values of `aud`. Reports those that `issuer` has already.
fn audiences(table: &Table<'_>, issuer: Option<&Option<Spanned<String>>>) -> Option<Vec<Spanned<String>>> {
    let Some(value) = table.get("audiences") else { return Some(Vec::new()) };
    let audiences = value.list(Value::string)?;
    let (Some(first), Some(issuer)) = (audiences.first(), issuer) else { return Some(audiences) };
    let Some(issuer) = issuer else {
        let what = "found audiences without issuer: they are accepted in addition to it";
        let help = format!("write issuer = {}", table.kind.example("issuer"));
        table.reader.report(Problem::error(&first.span, "domain.audiences", what).help(help));
        return None;
    };
    for audience in audiences.iter().filter(|audience| audience.value == issuer.value) {
        let what = "superfluous: it is the domain's issuer, which is always accepted";
        table.reader.report(Problem::warning(&audience.span, "domain.audiences", what).help("remove it"));
    }
    Some(audiences)
}

fn routes(table: &Table<'_>, client_auth: &Spanned<ClientAuth>, token_issuers: &Names) -> Vec<Route> {
    let tables = table.tables(ROUTE, "route");
    let Some(tables) = tables.filter(|tables| !tables.is_empty()) else {
        let default =
            |spec| Route { spec, authenticate: client_auth.span.clone(), signed_request: table.span.clone() };
        return RouteSpec::defaults().map(default).into();
    };
    let routes = route::read_all(&tables, token_issuers);
    for Route { spec, authenticate: span, .. } in &routes {
        match (client_auth.value, spec.authenticate) {
            (ClientAuth::Off, Authenticate::Certificate) => {
                let what = "the route requires a certificate, but the domain has client_auth = \"off\": every request would be refused";
                let problem = Problem::error(span, "domain.route.authenticate", what);
                table.reader.report(
                    problem
                        .help("write authenticate = \"none\", or client_auth = \"optional\" for the domain"),
                );
            }
            (ClientAuth::Required, Authenticate::None) if !table.is_misspelt(&["client_auth"]) => {
                let what = "the route does not authenticate, but the domain has client_auth = \"required\": clients without a certificate cannot connect";
                let problem = Problem::warning(span, "domain.route.authenticate", what);
                table.reader.report(problem.help("write client_auth = \"optional\" for the domain"));
            }
            _ => {}
        }
    }
    routes
}
