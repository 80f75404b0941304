//! Checks that the registered applications can authenticate at the domains: that one of them asks for the certificates that applications present, and
//! that assertions have an issuer to be addressed to.

use crate::{
    config::{
        Problem,
        settings::{Domain, Settings},
    },
    site::{Authenticate, SignedRequest},
    tls::ClientAuth,
    trust::{Application, AuthMethod, Binding, Registry, RequestRules, UnknownApplications},
};

/// Checks the applications against the domains with routes at which applications authenticate.
///
/// At a reload the problems are warnings: the removal of an application must take effect even if nobody can use a route any more.
pub(super) fn check(settings: &Settings, registry: &Registry, is_reload: bool) -> Vec<Problem> {
    let applications = Applications::of(registry);
    let domains: Vec<&Domain> = settings.domains.iter().filter(|domain| authenticates(domain)).collect();
    let forwards = settings.trust.unknown_applications.value == UnknownApplications::Forward;
    let mut problems = Vec::new();
    for domain in domains.iter().filter(|domain| domain.tls.client_auth == ClientAuth::Off) {
        if applications.without_certificate.is_none() && !forwards {
            problems.extend(unreachable_routes(domain));
        }
    }
    if problems.is_empty() {
        problems.extend(unreachable_applications(&domains, &applications));
    }
    if let Some(named) = applications.by_assertion.named() {
        problems.extend(without_issuer(&domains).map(|domain| missing_issuer(domain, &named)));
    }
    if let Some(named) = applications.with_rules.named().filter(|_| !enforces_rules(settings)) {
        let what = format!(
            "{named} has rules for authorization requests, but no route checks them: none is enforced"
        );
        let problem = Problem::error(&settings.trust.applications.span, "domain.route.signed_request", what);
        problems.push(problem.help(
            "write signed_request = \"verify\" in the [[domain.route]] of the authorization endpoint and of pushed requests",
        ));
    }
    if is_reload {
        problems.iter_mut().for_each(Problem::tolerate);
    }
    if forwards {
        let what = "requests of each client_id that is not registered are forwarded, and the edge verifies nothing about them: it does not notice a client_id that is misspelt or was removed";
        let place = &settings.trust.unknown_applications.span;
        let problem = Problem::warning(place, "trust.unknown_applications", what);
        problems
            .push(problem.help("register all applications, then write unknown_applications = \"refuse\""));
    }
    problems
}

fn authenticates(domain: &Domain) -> bool {
    domain.routes.iter().any(|route| route.spec.authenticate == Authenticate::Client)
}

/// Whether any route checks authorization requests.
fn enforces_rules(settings: &Settings) -> bool {
    settings.domains.iter().any(|domain| {
        domain.security_profile.is_some()
            || domain.routes.iter().any(|route| route.spec.signed_request != SignedRequest::Off)
    })
}

/// Applications of one kind: how many there are, and the first `client_id` in alphabetical order.
#[derive(Debug, Default)]
pub(super) struct Kind<'a> {
    first: Option<&'a str>,
    count: usize,
}

impl<'a> Kind<'a> {
    /// No application.
    pub(super) const NONE: Self = Self { first: None, count: 0 };

    pub(super) fn add(&mut self, application: &'a Application) {
        let id = application.client_id.as_str();
        self.first = Some(self.first.map_or(id, |first| first.min(id)));
        self.count += 1;
    }

    const fn is_none(&self) -> bool {
        self.first.is_none()
    }

    /// `"a"`, or `"a" (and 2 more)`.
    pub(super) fn named(&self) -> Option<String> {
        let first = self.first?;
        Some(match self.count - 1 {
            0 => format!("{first:?}"),
            more => format!("{first:?} (and {more} more)"),
        })
    }
}

/// What the registered applications need.
#[derive(Debug, Default)]
struct Applications<'a> {
    /// Those that authenticate on a connection without a certificate.
    without_certificate: Kind<'a>,
    /// Those that present a certificate.
    with_certificate: Kind<'a>,
    /// Those that authenticate by assertions.
    by_assertion: Kind<'a>,
    /// Those with rules for authorization requests.
    with_rules: Kind<'a>,
}

impl<'a> Applications<'a> {
    fn of(registry: &'a Registry) -> Self {
        let mut found = Self::default();
        for application in registry.applications() {
            let needs_certificate =
                application.method.kind().is_tls() || application.binding != Binding::None;
            let kind =
                if needs_certificate { &mut found.with_certificate } else { &mut found.without_certificate };
            kind.add(application);
            if application.rules != RequestRules::default() {
                found.with_rules.add(application);
            }
            if application.method.kind() == AuthMethod::PrivateKeyJwt {
                found.by_assertion.add(application);
            }
        }
        found
    }
}

/// The routes of a domain without client certificates at which no application can authenticate.
fn unreachable_routes(domain: &Domain) -> impl Iterator<Item = Problem> {
    let routes = domain.routes.iter().filter(|route| route.spec.authenticate == Authenticate::Client);
    let mut places: Vec<_> = routes.map(|route| &route.authenticate).collect();
    // The default routes have one place.
    places.dedup();
    places.into_iter().map(|place| {
        let what = "the domain has client_auth = \"off\", and each registered application presents a certificate: every request would be refused";
        Problem::error(place, "domain.route.authenticate", what).help(
            "write client_auth = \"optional\" for the domain, authenticate = \"none\" for the route, or register an application with another auth_method",
        )
    })
}

/// Warns about applications that can authenticate at no domain.
fn unreachable_applications(domains: &[&Domain], applications: &Applications<'_>) -> Option<Problem> {
    let first = domains.first()?;
    let all_are = |mode| domains.iter().all(|domain| domain.tls.client_auth == mode);
    let (what, help) = if let Some(named) =
        applications.with_certificate.named().filter(|_| all_are(ClientAuth::Off))
    {
        (
            format!(
                "{named} presents a certificate, but no domain requests one: each of its requests would be refused"
            ),
            "write client_auth = \"optional\"",
        )
    } else if let Some(named) =
        applications.without_certificate.named().filter(|_| all_are(ClientAuth::Required))
    {
        (
            format!(
                "{named} needs no certificate, but each domain requires one: clients without a certificate cannot connect"
            ),
            "write client_auth = \"optional\", or add a [[domain]] with client_auth = \"off\"",
        )
    } else {
        return None;
    };
    Some(Problem::warning(&first.client_auth, "domain.client_auth", what).help(help))
}

/// The domains that need an issuer for assertions. One that requires certificates does not, if assertions can be sent to another domain.
fn without_issuer<'a>(domains: &'a [&'a Domain]) -> impl Iterator<Item = &'a Domain> {
    let has_other = domains.iter().any(|domain| domain.issuer.is_some());
    domains.iter().copied().filter(move |domain| {
        domain.issuer.is_none() && !(has_other && domain.tls.client_auth == ClientAuth::Required)
    })
}

fn missing_issuer(domain: &Domain, named: &str) -> Problem {
    let what = format!(
        "missing: {named} authenticates with private_key_jwt, and an assertion is addressed to the domain's issuer"
    );
    Problem::error(&domain.name.span, "domain.issuer", what).help(
        "write issuer = \"https://...\" exactly as the authorization server's metadata has it (/.well-known/openid-configuration)",
    )
}
