//! `[[domain.route]]`: the paths and methods that a domain forwards, and what they require.

use http::Method;

use super::{limits::time_or_zero, path};
use crate::config::{
    diagnostic::{Fault, Problem},
    node::{Table, Value},
    settings::Route,
    span::{Span, Spanned},
    suggest::{any_of, did_you_mean, quote},
};

use crate::site::{Authenticate, PathPattern, RouteSpec, SignedRequest, TokenRule};

type Names = [Option<Spanned<String>>];

/// A route, with the place of its path.
struct ParsedRoute {
    route: Route,
    path: Span,
}

/// Reads the routes of a domain.
pub(super) fn read_all(tables: &[Table<'_>], token_issuers: &Names) -> Vec<Route> {
    let mut routes: Vec<ParsedRoute> = Vec::new();
    for table in tables {
        let Some(route) = read(table, token_issuers) else { continue };
        if let Some((earlier, method)) = find_conflict(&routes, &route.route.spec) {
            let what = format!(
                "found {} for {method} a second time; the first is on line {}",
                quoted(&route.route.spec.path),
                earlier.path.line()
            );
            let problem = Problem::error(&route.path, "domain.route.path", what);
            table.reader.report(problem.help("remove one of the two, or give them different methods"));
        }
        routes.push(route);
    }
    routes.into_iter().map(|route| route.route).collect()
}

/// The values of `authenticate`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Client,
    Certificate,
    Token,
    None,
}

fn read(table: &Table<'_>, token_issuers: &Names) -> Option<ParsedRoute> {
    let default = RouteSpec::default();
    let path = match table.get("path") {
        Some(value) => {
            let path = value.parse("a path", path::pattern);
            if let Some(Spanned { value: PathPattern::Exact(text), span }) = &path {
                table.reader.report_all(path::suspicious(text, span));
            }
            path
        }
        None => Some(Spanned { value: default.path, span: table.span.clone() }),
    };
    let methods = table.get("methods").map_or(Some(default.methods), |value| methods(&value));
    let choices = [
        ("client", Choice::Client),
        ("certificate", Choice::Certificate),
        ("token", Choice::Token),
        ("none", Choice::None),
    ];
    let authenticate = match table.get("authenticate") {
        Some(value) => value.choice(&choices),
        None => Some(Spanned { value: Choice::Client, span: table.span.clone() }),
    };
    let choices =
        [("off", SignedRequest::Off), ("verify", SignedRequest::Verify), ("require", SignedRequest::Require)];
    let signed_request = match table.get("signed_request") {
        Some(value) => value.choice(&choices),
        None => Some(Spanned { value: default.signed_request, span: table.span.clone() }),
    };
    let request_timeout = time_or_zero(table, "request_timeout");
    let token = token_rule(table, authenticate.as_ref(), token_issuers);
    table.finish();
    if let (Some(authenticate), Some(signed)) = (&authenticate, &signed_request)
        && authenticate.value == Choice::Token
        && signed.value != SignedRequest::Off
    {
        let what = "the route verifies access tokens, and authorization requests have none";
        let problem = Problem::error(&signed.span, "domain.route.signed_request", what);
        table
            .reader
            .report(problem.help("remove signed_request, or write authenticate = \"client\" or \"none\""));
    }
    let (path, methods, authenticate, signed_request) = (path?, methods?, authenticate?, signed_request?);
    let spec = RouteSpec {
        path: path.value,
        methods,
        authenticate: match authenticate.value {
            Choice::Client => Authenticate::Client,
            Choice::Certificate => Authenticate::Certificate,
            Choice::Token => Authenticate::Token(token??),
            Choice::None => Authenticate::None,
        },
        signed_request: signed_request.value,
        request_timeout,
    };
    let route = Route { spec, authenticate: authenticate.span, signed_request: signed_request.span };
    Some(ParsedRoute { route, path: path.span })
}

/// Reads `token_issuer` and `allow_unbound`, which belong to `authenticate = "token"`. The outer `None` means that one is invalid, the inner that the
/// route verifies no tokens.
#[expect(clippy::option_option, reason = "an invalid value is not an absent one")]
fn token_rule(
    table: &Table<'_>,
    authenticate: Option<&Spanned<Choice>>,
    token_issuers: &Names,
) -> Option<Option<TokenRule>> {
    let (issuer, allow_unbound) = (table.get("token_issuer"), table.get("allow_unbound"));
    if authenticate?.value != Choice::Token {
        for value in [issuer, allow_unbound].into_iter().flatten() {
            let what = format!("found {} on a route without authenticate = \"token\"", value.key);
            let help = format!("write authenticate = \"token\", or remove {}", value.key);
            let _: Option<()> = value.refuse(Fault::new(what).help(help));
        }
        return Some(None);
    }
    let allow_unbound = allow_unbound.map_or(Some(false), |value| value.boolean());
    let issuer = match issuer {
        Some(value) => token_issuer(&value, token_issuers),
        None if token_issuers.len() == 1 => Some(0),
        None if token_issuers.is_empty() => {
            let what = "missing: with authenticate = \"token\", at least one [[token_issuer]] is needed";
            let help = "write [[token_issuer]] with name, issuer, audience and jwks";
            table.reader.report(Problem::error(&table.span, "domain.route.token_issuer", what).help(help));
            None
        }
        None if table.is_misspelt(&["token_issuer"]) => None,
        None => {
            let what = "missing: with several [[token_issuer]] tables, a route must name one of them";
            let known = any_of(token_issuers.iter().flatten().map(|name| quote(&name.value)));
            let problem = Problem::error(&table.span, "domain.route.token_issuer", what);
            table.reader.report(problem.help(format!("write token_issuer = {known}")));
            None
        }
    };
    Some(Some(TokenRule { issuer: issuer?, allow_unbound: allow_unbound? }))
}

/// The index of the token issuer with this name.
fn token_issuer(value: &Value<'_>, token_issuers: &Names) -> Option<usize> {
    let position = |text: &str| {
        token_issuers.iter().position(|name| name.as_ref().is_some_and(|name| name.value == text))
    };
    let parsed = value.parse("the name of a [[token_issuer]]", |text| {
        let known: Vec<&str> = token_issuers.iter().flatten().map(|name| name.value.as_str()).collect();
        match position(text) {
            Some(index) => Ok(Some(index)),
            // It may be one whose name is invalid, which was reported already.
            None if token_issuers.iter().any(Option::is_none) => Ok(None),
            None => {
                let what = format!("found {}, expected the name of a [[token_issuer]]", quote(text));
                let help = || format!("add a [[token_issuer]] with name = {}", quote(text));
                Err(Fault::new(what).help(did_you_mean(text, known).unwrap_or_else(help)))
            }
        }
    });
    parsed?.value
}

fn methods(value: &Value<'_>) -> Option<Vec<Method>> {
    let mut methods: Vec<Method> = Vec::new();
    for method in value.filled_list(|item| item.parse("a method", method))? {
        if methods.contains(&method.value) {
            let what = format!("found {} twice", method.value);
            value.reader.report(
                Problem::error(&method.span, value.path_of_key(), what).help("remove one of the two"),
            );
        } else {
            methods.push(method.value);
        }
    }
    Some(methods)
}

fn method(text: &str) -> Result<Method, Fault> {
    let names = || RouteSpec::METHODS.iter().map(Method::as_str);
    let all = || names().collect::<Vec<_>>().join(", ");
    let fault = |why: &str| Fault::new(format!("found {}, expected {why}", quote(text)));
    let upper = text.to_ascii_uppercase();
    if matches!(upper.as_str(), "CONNECT" | "TRACE") {
        let help = format!("remove it; the methods are {}", all());
        return Err(fault("another method: the edge never forwards this one").help(help));
    }
    match RouteSpec::METHODS.iter().find(|known| known.as_str() == upper) {
        Some(known) if *known == text => Ok(known.clone()),
        Some(known) => Err(fault("a method in upper case").help(format!("write {:?}", known.as_str()))),
        None => {
            let help = did_you_mean(text, names()).unwrap_or_else(|| format!("the methods are {}", all()));
            Err(fault("a method").help(help))
        }
    }
}

/// The pattern as it is written, in quotes.
fn quoted(pattern: &PathPattern) -> String {
    match pattern {
        PathPattern::Exact(path) => quote(path),
        PathPattern::Subtree(prefix) => quote(&format!("{prefix}*")),
    }
}

/// The first earlier route with the same path and a common method, and that method.
fn find_conflict<'a>(
    routes: &'a [ParsedRoute],
    route: &'a RouteSpec,
) -> Option<(&'a ParsedRoute, &'a Method)> {
    routes.iter().filter(|earlier| earlier.route.spec.path == route.path).find_map(|earlier| {
        let method = route.methods.iter().find(|method| earlier.route.spec.methods.contains(method))?;
        Some((earlier, method))
    })
}
