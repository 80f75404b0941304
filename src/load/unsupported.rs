//! Refuses what the configuration can express and the edge does not enforce yet. Each function is one feature; the change that enforces it removes the
//! function.

use crate::{
    config::{
        Problem, Span,
        settings::{Application, Domain, Matcher, Settings},
    },
    site::{Authenticate, SignedRequest},
    trust::{AuthMethod, UnknownApplications},
};

/// The features in `edge.toml` that are not enforced yet.
pub(super) fn of_settings(settings: &Settings) -> Vec<Problem> {
    let domains = &settings.domains;
    unknown_applications(settings)
        .into_iter()
        .chain(domains.iter().filter_map(security_profile))
        .chain(domains.iter().flat_map(signed_requests))
        .chain(domains.iter().flat_map(access_tokens))
        .collect()
}

/// The features of an application that are not enforced yet.
pub(super) fn of_application(application: &Application) -> Vec<Problem> {
    method(application)
        .into_iter()
        .chain(certificate_bound(application))
        .chain(request_rules(application))
        .chain(expiry(application))
        .chain(pinned_keys(application))
        .collect()
}

fn problem(span: &Span, key: &str) -> Problem {
    Problem::error(span, key, "not supported yet: this version of the edge does not enforce it")
        .help("remove it until a version of the edge supports it")
}

fn unknown_applications(settings: &Settings) -> Option<Problem> {
    let setting = &settings.trust.unknown_applications;
    (setting.value != UnknownApplications::Refuse)
        .then(|| problem(&setting.span, "trust.unknown_applications"))
}

fn security_profile(domain: &Domain) -> Option<Problem> {
    domain.security_profile.as_ref().map(|profile| problem(&profile.span, "domain.profile"))
}

fn signed_requests(domain: &Domain) -> impl Iterator<Item = Problem> {
    let signed = domain.routes.iter().filter(|route| route.spec.signed_request != SignedRequest::Off);
    signed.map(|route| problem(&route.signed_request, "domain.route.signed_request"))
}

fn access_tokens(domain: &Domain) -> impl Iterator<Item = Problem> {
    let is_token = |authenticate| matches!(authenticate, Authenticate::Token(_));
    let routes = domain.routes.iter().filter(move |route| is_token(route.spec.authenticate));
    routes.map(|route| problem(&route.authenticate, "domain.route.authenticate"))
}

fn method(application: &Application) -> Option<Problem> {
    let method = &application.auth_method;
    let is_mtls = matches!(method.value, AuthMethod::SelfSignedTls | AuthMethod::PkiTls);
    (!is_mtls).then(|| problem(&method.span, "application.auth_method"))
}

fn certificate_bound(application: &Application) -> Option<Problem> {
    application.certificate_bound.as_ref().map(|bound| problem(&bound.span, "application.certificate_bound"))
}

fn request_rules(application: &Application) -> Vec<Problem> {
    let rules = &application.rules;
    let switches = [
        (&rules.require_signed_request, "application.require_signed_request"),
        (&rules.require_pushed_request, "application.require_pushed_request"),
        (&rules.strict_request_objects, "application.strict_request_objects"),
    ];
    let switches = switches.into_iter().filter(|(rule, _)| rule.value);
    let keys = application.request_keys.iter().map(|key| problem(&key.name.span, "application.request_key"));
    switches.map(|(rule, key)| problem(&rule.span, key)).chain(keys).collect()
}

fn expiry(application: &Application) -> impl Iterator<Item = Problem> {
    let dates = application.credentials.iter().filter_map(|credential| credential.expires_at.as_ref());
    dates.map(|date| problem(&date.span, "application.credential.expires_at"))
}

fn pinned_keys(application: &Application) -> impl Iterator<Item = Problem> {
    let is_pinned = application.auth_method.value == AuthMethod::SelfSignedTls;
    application.credentials.iter().filter_map(move |credential| match &credential.matcher {
        Matcher::PublicKey(key) if is_pinned => {
            Some(problem(&key.file.span, "application.credential.public_key"))
        }
        _ => None,
    })
}
