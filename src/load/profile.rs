//! Checks what the configuration can show about the security profile of a domain (`profile = "fapi2"`): the domain itself, and the
//! applications that would not pass.

use super::methods::Kind;
use crate::{
    authorization_request::fapi::check_client,
    config::{
        Problem,
        settings::{Route, Settings},
    },
    jose::Algorithm,
    site::Authenticate,
    trust::{Application, Binding, Keys, Method, Registry},
};

/// Reports what is missing for the profile, and warns about the applications whose requests it refuses: applications are registered
/// for all domains, so that those of other domains are listed, too.
pub(super) fn check(settings: &Settings, registry: &Registry) -> Vec<Problem> {
    let mut domains =
        settings.domains.iter().filter_map(|domain| Some((domain, domain.security_profile.as_ref()?)));
    let Some((_, first)) = domains.clone().next() else { return Vec::new() };
    let without_issuer = domains.by_ref().filter(|(domain, _)| domain.issuer.is_none());
    let mut problems: Vec<Problem> = without_issuer
        .map(|(_, profile)| {
            let what = "the profile needs an issuer: assertions and request objects are addressed to it";
            Problem::error(&profile.span, "domain.profile", what)
                .help("write issuer = \"https://...\" for the domain")
        })
        .collect();
    problems.extend(unbound_routes(settings));
    let [mut methods, mut keys, mut request_keys, mut unbound] = [const { Kind::NONE }; 4];
    for application in registry.applications() {
        for (kind, is_one) in [
            (&mut methods, check_client(Some(application)).is_err()),
            (&mut keys, algorithms(application).any(|algorithm| !algorithm.is_in_fapi2())),
            (&mut request_keys, request_algorithms(application).any(|algorithm| !algorithm.is_in_fapi2())),
            (&mut unbound, is_unbound(application)),
        ] {
            if is_one {
                kind.add(application);
            }
        }
    }
    for (kind, what, help) in [
        (
            methods,
            "does not authenticate by mTLS or private_key_jwt, which FAPI 2.0 requires: its requests are refused",
            "change its auth_method",
        ),
        (
            keys,
            "has a key of RS256 or RS384, but FAPI 2.0 requires PS256, ES256 or EdDSA: its assertions are refused",
            "write alg = \"PS256\" if the application signs with it",
        ),
        (
            request_keys,
            "has a request key of RS256 or RS384, but FAPI 2.0 requires PS256, ES256 or EdDSA: its request objects are refused",
            "write alg = \"PS256\" if the application signs with it",
        ),
        (
            unbound,
            "has no certificate to which its tokens can be bound: FAPI 2.0 refuses its token requests without a DPoP proof",
            "write certificate_bound = true, unless the application sends DPoP proofs",
        ),
    ] {
        if let Some(named) = kind.named() {
            let problem = Problem::warning(&first.span, "domain.profile", format!("{named} {what}"));
            problems.push(problem.help(help));
        }
    }
    problems
}

/// The routes of domains with a profile that accept tokens which are not bound.
fn unbound_routes(settings: &Settings) -> impl Iterator<Item = Problem> {
    let domains = settings.domains.iter().filter(|domain| domain.security_profile.is_some());
    let accepts_unbound = |route: &&Route| match route.spec.authenticate {
        Authenticate::Token(rule) => rule.allow_unbound,
        _ => false,
    };
    domains.flat_map(move |domain| domain.routes.iter().filter(accepts_unbound)).map(|route| {
        let what = "the domain's profile requires that access tokens are bound to their client";
        Problem::error(&route.authenticate, "domain.route.allow_unbound", what).help("remove allow_unbound")
    })
}

/// The algorithms of the keys by which an application authenticates.
fn algorithms(application: &Application) -> impl Iterator<Item = Algorithm> {
    let (registered, published) = match &application.method {
        Method::PrivateKeyJwt(Keys::Registered(keys)) => (Some(keys), None),
        Method::PrivateKeyJwt(Keys::Published(keys)) => (None, keys.keys.as_ref()),
        Method::Tls(_) | Method::ClientSecret { .. } | Method::None => (None, None),
    };
    let registered = registered.into_iter().flat_map(|keys| keys.iter().map(|key| &key.registered));
    registered.chain(published.into_iter().flatten()).map(|key| key.key.algorithm())
}

fn request_algorithms(application: &Application) -> impl Iterator<Item = Algorithm> {
    let keys = application.request_keys.iter().flat_map(|keys| keys.iter());
    keys.map(|key| key.registered.key.algorithm())
}

/// Whether no certificate is vouched for with a request of the application. One that does not authenticate as required is reported
/// for that.
fn is_unbound(application: &Application) -> bool {
    matches!(application.method, Method::PrivateKeyJwt(_)) && application.binding == Binding::None
}
