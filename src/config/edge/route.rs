//! `[[domain.route]]`: the paths and methods that a domain forwards, and whether they require authentication.

use http::Method;

use super::path;
use crate::config::{
    diagnostic::{Fault, Problem},
    node::{Table, Value},
    span::{Span, Spanned},
    suggest::{did_you_mean, quote},
};

use crate::site::{Authenticate, PathPattern, RouteSpec};

/// A route, with the spans for messages about it.
pub(super) struct ParsedRoute {
    pub(super) spec: RouteSpec,
    path: Span,
    /// The span of the key `authenticate`.
    pub(super) authenticate: Span,
}

/// Reads the routes of a domain.
pub(super) fn read_all(tables: &[Table<'_>]) -> Vec<ParsedRoute> {
    let mut routes: Vec<ParsedRoute> = Vec::new();
    for table in tables {
        let Some(route) = read(table) else { continue };
        if let Some((earlier, method)) = find_conflict(&routes, &route.spec) {
            let what = format!(
                "found {} for {method} a second time; the first is on line {}",
                quoted(&route.spec.path),
                earlier.path.line()
            );
            let problem = Problem::error(&route.path, "domain.route.path", what);
            table.reader.report(problem.help("remove one of the two, or give them different methods"));
        }
        routes.push(route);
    }
    routes
}

fn read(table: &Table<'_>) -> Option<ParsedRoute> {
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
        ("client", Authenticate::Client),
        ("certificate", Authenticate::Certificate),
        ("none", Authenticate::None),
    ];
    let authenticate = match table.get("authenticate") {
        Some(value) => value.choice(&choices),
        None => Some(Spanned { value: default.authenticate, span: table.span.clone() }),
    };
    table.finish();
    let (path, methods, authenticate) = (path?, methods?, authenticate?);
    let spec = RouteSpec {
        path: path.value,
        methods,
        authenticate: authenticate.value,
        signed_request: default.signed_request,
    };
    Some(ParsedRoute { spec, path: path.span, authenticate: authenticate.span })
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
    routes.iter().filter(|earlier| earlier.spec.path == route.path).find_map(|earlier| {
        let method = route.methods.iter().find(|method| earlier.spec.methods.contains(method))?;
        Some((earlier, method))
    })
}
