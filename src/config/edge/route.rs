//! `[[domain.route]]`: the paths that may be called.

use http::Method;

use crate::config::{
    place::{Located, Place},
    problem::Problem,
    settings::{Authenticate, PathPattern, Route},
    table::Table,
    value::{Fault, Value},
    words::{did_you_mean, quote},
};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// What a domain without routes of its own serves.
pub(super) fn defaults(place: &Place) -> Vec<Route> {
    let route = |path: &str| Route {
        path: Located { value: PathPattern::Exact(path.to_owned()), place: place.clone() },
        methods: vec![Method::POST],
        authenticate: Authenticate::Client,
    };
    vec![route("/oauth/token"), route("/oauth/par")]
}

/// Reads the routes of a domain. Each comes with the place that says whom it authenticates.
pub(super) fn read_all(tables: &[Table<'_>]) -> Vec<Located<Route>> {
    let mut routes: Vec<Located<Route>> = Vec::new();
    for table in tables {
        let Some(route) = read(table) else { continue };
        if let Some((earlier, method)) = conflict(&routes, &route.value) {
            let what = format!(
                "found {} for {method} a second time; the first is on line {}",
                shown(&route.value.path.value),
                earlier.path.place.line()
            );
            let problem = Problem::error(&route.value.path.place, "domain.route.path", what);
            table.reader.report(problem.help("remove one of the two, or give them different methods"));
        }
        routes.push(route);
    }
    routes
}

fn read(table: &Table<'_>) -> Option<Located<Route>> {
    let path = match table.get("path") {
        Some(value) => value.parse("a path", pattern),
        None => {
            Some(Located { value: PathPattern::Exact("/oauth/token".to_owned()), place: table.place.clone() })
        }
    };
    let methods = table.get("methods").map_or(Some(vec![Method::POST]), |value| methods(&value));
    let choices = [
        ("client", Authenticate::Client),
        ("certificate", Authenticate::Certificate),
        ("none", Authenticate::None),
    ];
    let authenticate = match table.get("authenticate") {
        Some(value) => value.choice(&choices),
        None => Some(Located { value: Authenticate::Client, place: table.place.clone() }),
    };
    table.finish();
    let (path, methods, authenticate) = (path?, methods?, authenticate?);
    Some(authenticate.map(|authenticate| Route { path, methods, authenticate }))
}

fn methods(value: &Value<'_>) -> Option<Vec<Method>> {
    let mut methods: Vec<Method> = Vec::new();
    for method in value.filled_list(|item| item.parse("a method", method))? {
        if methods.contains(&method.value) {
            let what = format!("found {} twice", method.value);
            value.reader.report(
                Problem::error(&method.place, value.path_of_key(), what).help("remove one of the two"),
            );
        } else {
            methods.push(method.value);
        }
    }
    Some(methods)
}

fn method(text: &str) -> Result<Method, Fault> {
    let fault = |why: &str| Fault::new(format!("found {}, expected {why}", quote(text)));
    let upper = text.to_ascii_uppercase();
    if matches!(upper.as_str(), "CONNECT" | "TRACE") {
        return Err(fault("another method: the edge never forwards this one"));
    }
    match METHODS.into_iter().find(|known| *known == upper) {
        Some(known) if known == text => Ok(Method::from_bytes(known.as_bytes()).unwrap_or_default()),
        Some(known) => Err(fault("a method in upper case").help(format!("write {known:?}"))),
        None => {
            let help = did_you_mean(text, METHODS)
                .unwrap_or_else(|| format!("the methods are {}", METHODS.join(", ")));
            Err(fault("a method").help(help))
        }
    }
}

/// A path whose bytes are compared as they are, so it has to be written as clients send it.
fn pattern(text: &str) -> Result<PathPattern, Fault> {
    let fault = |why: &str| Fault::new(format!("found {}, expected a path {why}", quote(text)));
    if !text.starts_with('/') {
        let help = format!("write {}", quote(&format!("/{text}")));
        let plain = !text.contains("://") && !text.starts_with('*');
        let fault = fault("that starts with /");
        return Err(if plain {
            fault.help(help)
        } else {
            fault.help("write the path alone, such as /oauth/token")
        });
    }
    let literal = text.strip_suffix("/*").unwrap_or(text);
    if literal.contains('*') {
        return Err(
            fault("with a * only as a trailing /*").help("write /oauth/* for all that is under /oauth/")
        );
    }
    if let Some(sign) = literal.chars().find(|c| matches!(c, '?' | '#')) {
        return Err(fault(&format!("without {sign}: a query is no part of it")));
    }
    if let Some(bad) = literal
        .chars()
        .find(|c| !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'))
    {
        let mut bytes = [0; 4];
        let escaped = percent_encoding::percent_encode(
            bad.encode_utf8(&mut bytes).as_bytes(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        return Err(fault("as it is sent, in printable ASCII").help(format!("write {escaped} for {bad:?}")));
    }
    escapes(literal).map_err(|why| match why {
        Escape::Broken => fault("with two hexadecimal digits after each %"),
        Escape::Needless(c) => {
            fault("in its plain form").help(format!("write {c} for %{:02X}", u32::from(c)))
        }
        Escape::Slash => fault("without %2F and %5C: servers differ in what they make of them"),
    })?;
    if literal.contains("//") {
        return Err(fault("without //").help(format!("write {}", quote(&collapse(text)))));
    }
    if literal.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(fault("without . and .. segments"));
    }
    Ok(match text.strip_suffix('*') {
        Some(prefix) => PathPattern::Subtree(prefix.to_owned()),
        None => PathPattern::Exact(text.to_owned()),
    })
}

enum Escape {
    Broken,
    Needless(char),
    Slash,
}

fn escapes(path: &str) -> Result<(), Escape> {
    for part in path.split('%').skip(1) {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(Escape::Broken)?;
        match char::from(byte) {
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~') => {
                return Err(Escape::Needless(c));
            }
            '/' | '\\' => return Err(Escape::Slash),
            _ => {}
        }
    }
    Ok(())
}

fn collapse(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    format!("/{}", segments.join("/"))
}

fn shown(pattern: &PathPattern) -> String {
    match pattern {
        PathPattern::Exact(path) => quote(path),
        PathPattern::Subtree(prefix) => quote(&format!("{prefix}*")),
    }
}

fn conflict<'a>(routes: &'a [Located<Route>], route: &'a Route) -> Option<(&'a Route, &'a Method)> {
    routes
        .iter()
        .map(|earlier| &earlier.value)
        .filter(|earlier| earlier.path.value == route.path.value)
        .find_map(|earlier| {
            let method = route.methods.iter().find(|method| earlier.methods.contains(method))?;
            Some((earlier, method))
        })
}
