//! Which rule a path falls under, decided once from the very bytes that are forwarded.

use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode;

use crate::config::settings::{self, Authenticate, PathPattern};

/// A rule of a domain.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    pattern: PathPattern,
    /// Methods that this rule takes.
    pub methods: Vec<Method>,
    /// Whom it asks for.
    pub authenticate: Authenticate,
}

/// Why no rule takes a request.
#[derive(Debug, PartialEq, Eq)]
pub enum RouteError {
    /// No rule for this path.
    NotFound,
    /// The path reads as one rule's in its literal bytes and as another's once it is decoded,
    /// lower-cased or tidied, as some servers do.
    Ambiguous,
    /// The path is listed, with other methods: these.
    Method(Vec<Method>),
}

/// A domain's rules. An empty list refuses everything.
#[derive(Debug, PartialEq, Eq)]
pub struct Routes {
    /// Rules by path: exact ones first, then subtrees, the longest first.
    rules: Vec<(PathPattern, String, Vec<Arc<Route>>)>,
}

impl Routes {
    /// Orders the rules from most to least specific.
    #[must_use]
    pub fn new(routes: &[settings::Route]) -> Self {
        let mut rules: Vec<(PathPattern, String, Vec<Arc<Route>>)> = Vec::new();
        for route in routes {
            let built = Arc::new(Route {
                pattern: route.path.value.clone(),
                methods: route.methods.clone(),
                authenticate: route.authenticate,
            });
            match rules.iter_mut().find(|(pattern, ..)| *pattern == built.pattern) {
                Some((.., same)) => same.push(built),
                None => rules.push((built.pattern.clone(), loosest(text(&built.pattern)), vec![built])),
            }
        }
        rules.sort_by_key(|(pattern, ..)| match pattern {
            PathPattern::Exact(_) => (0, 0),
            PathPattern::Subtree(prefix) => (1, usize::MAX - prefix.len()),
        });
        Self { rules }
    }

    /// The rule for this method and path.
    ///
    /// A path is matched in its literal bytes, case and all. An upstream may read it more loosely (decode
    /// `%74`, merge `//`, resolve `..`, ignore case or `;x`), so the loosest reading must fall under the same
    /// rule: else `/oauth/%74oken` would pass under a `/oauth/*` that asks for nobody and be served as `/oauth/token`.
    pub fn find(&self, method: &Method, path: &str) -> Result<&Arc<Route>, RouteError> {
        let literal = self.rules.iter().position(|(pattern, ..)| matches(pattern, path));
        let index = literal.ok_or(RouteError::NotFound)?;
        let (pattern, _, routes) = self.rules.get(index).ok_or(RouteError::NotFound)?;
        // An exact match is the operator's own spelling: there is nothing left to read loosely.
        if matches!(pattern, PathPattern::Subtree(_)) {
            let loose = loosest(path);
            let read = self.rules.iter().position(|(pattern, folded, _)| match pattern {
                PathPattern::Exact(_) => *folded == loose,
                // With the slash: `/a/*` takes `/a/b`, and `/a` or `/a/` only as the literal `/a/`.
                PathPattern::Subtree(_) => {
                    folded == "/"
                        || loose
                            .strip_prefix(folded.as_str())
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                }
            });
            if read != Some(index) || climbs(path) || names_an_authority(path) {
                return Err(RouteError::Ambiguous);
            }
        }
        routes.iter().find(|route| route.methods.contains(method)).ok_or_else(|| {
            RouteError::Method(routes.iter().flat_map(|route| route.methods.iter().cloned()).collect())
        })
    }
}

fn text(pattern: &PathPattern) -> &str {
    match pattern {
        PathPattern::Exact(path) | PathPattern::Subtree(path) => path,
    }
}

fn matches(pattern: &PathPattern, path: &str) -> bool {
    match pattern {
        PathPattern::Exact(exact) => path == exact,
        PathPattern::Subtree(prefix) => path.starts_with(prefix.as_str()),
    }
}

/// Decoded until nothing is left to decode (servers behind servers decode twice), `\` as `/`, lower case.
fn decoded(path: &str) -> String {
    let mut text = path.to_owned();
    loop {
        let next = percent_decode(text.as_bytes()).decode_utf8_lossy().into_owned();
        if next == text {
            return text.replace('\\', "/").to_lowercase();
        }
        text = next;
    }
}

/// A path as the most lenient server would read it, without a trailing slash.
fn loosest(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in decoded(path).split('/') {
        match segment.split([';', '\0', '?', '#']).next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name.to_owned()),
        }
    }
    format!("/{}", segments.join("/"))
}

/// Whether any reading of the path has a dot segment: never served under a subtree.
fn climbs(path: &str) -> bool {
    decoded(path)
        .split('/')
        .map(|segment| segment.split([';', '\0', '?', '#']).next().unwrap_or_default().trim())
        .any(|segment| matches!(segment, "." | ".."))
}

/// Whether the path begins with two slashes: who resolves it as a reference (`new URL(target, base)`) takes what
/// follows for a host, and `//x/oauth/token` for `/oauth/token`.
fn names_an_authority(path: &str) -> bool {
    decoded(path).starts_with("//")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::config::{Located, Place, Source};

    fn route(path: &str, methods: &[&str], authenticate: Authenticate) -> settings::Route {
        let source = Arc::new(Source::empty());
        let value = match path.strip_suffix('*') {
            Some(prefix) => PathPattern::Subtree(prefix.into()),
            None => PathPattern::Exact(path.into()),
        };
        settings::Route {
            path: Located { value, place: Place { source, span: 0..0 } },
            methods: methods.iter().map(|method| method.parse().unwrap()).collect(),
            authenticate,
        }
    }

    fn routes() -> Routes {
        Routes::new(&[
            route("/*", &["GET", "POST"], Authenticate::None),
            route("/oauth/*", &["POST"], Authenticate::Certificate),
            route("/oauth/token", &["POST"], Authenticate::Client),
            route("/userinfo", &["GET"], Authenticate::Certificate),
            route("/userinfo", &["POST"], Authenticate::Client),
        ])
    }

    #[test]
    fn the_most_specific_rule_wins() {
        let routes = routes();
        let asks = |method: Method, path| routes.find(&method, path).map(|route| route.authenticate);
        assert_eq!(asks(Method::POST, "/oauth/token"), Ok(Authenticate::Client));
        assert_eq!(asks(Method::POST, "/oauth/par"), Ok(Authenticate::Certificate));
        assert_eq!(asks(Method::GET, "/authorize"), Ok(Authenticate::None));
        assert_eq!(asks(Method::GET, "/"), Ok(Authenticate::None));
        assert_eq!(asks(Method::GET, "/userinfo"), Ok(Authenticate::Certificate));
        assert_eq!(asks(Method::POST, "/userinfo"), Ok(Authenticate::Client));
        assert_eq!(asks(Method::GET, "/oauth/token"), Err(RouteError::Method(vec![Method::POST])));
    }

    #[test]
    fn a_respelling_never_passes_under_a_weaker_rule() {
        let routes = routes();
        for path in [
            "/oauth/token/",
            "/oauth//token",
            "/oauth/%74oken",
            "/OAUTH/token",
            "/oauth/token/../../x",
            "//oauth/token",
            "/oauth/./token",
            "/oauth/%2e/token",
            "/oauth%2ftoken",
            "/oauth%252ftoken",
            "/oauth\\token",
            "/oauth/token;x=1",
            "/oauth;x/token",
            "/x/../oauth/token",
            "/x/..;/oauth/token",
            "/oauth/token%00",
            "/oauth/token%3fx",
            "/%6Fauth/token",
            "/oauth/token%20",
            "/..",
            "/x/%2e%2e/y",
            "//x/oauth/token",
            "/\\x/oauth/token",
            "/%2fx/oauth/token",
            "//",
        ] {
            let found = routes.find(&Method::POST, path);
            assert_eq!(found.err(), Some(RouteError::Ambiguous), "{path}");
        }
    }

    #[test]
    fn without_a_subtree_a_respelling_is_not_found() {
        let routes = Routes::new(&[route("/oauth/token", &["POST"], Authenticate::Client)]);
        for path in
            ["/oauth/token/", "/oauth//token", "/oauth/%74oken", "/OAUTH/token", "/oauth/token/../../x", "/"]
        {
            assert_eq!(routes.find(&Method::POST, path).err(), Some(RouteError::NotFound), "{path}");
        }
        assert_eq!(Routes::new(&[]).find(&Method::GET, "/").err(), Some(RouteError::NotFound));
    }

    proptest! {
        #[test]
        fn no_path_panics_and_none_that_reads_as_token_is_served_otherwise(path in "(/|%2f|oauth|token|OAUTH|%74|oken|\\.|\\.\\.|;x|%2e|x){0,9}") {
            let path = format!("/{path}");
            if let Ok(route) = routes().find(&Method::POST, &path) {
                let reads_as_token = loosest(&path) == "/oauth/token";
                prop_assert!(!reads_as_token || route.authenticate == Authenticate::Client);
            }
        }
    }
}
