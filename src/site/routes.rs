//! Selects the rule of a path, once, from the bytes that are forwarded.

mod fold;
mod reading;

use std::{sync::Arc, time::Duration};

use http::Method;

use self::reading::{Ambiguous, Reading, after_scripts, may_serve};

/// A route's path, in its literal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// The whole path.
    Exact(String),
    /// The prefix with its final slash: `/a/*` is `/a/`.
    Subtree(String),
}

/// How a route authenticates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authenticate {
    /// The request's `client_id` must own the certificate.
    #[default]
    Client,
    /// Any registered certificate.
    Certificate,
    /// A bound access token.
    Token(TokenRule),
    /// No authentication.
    None,
}

/// What a route does with request objects (RFC 9101), from lenient to strict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignedRequest {
    /// Forwards them unread.
    #[default]
    Off,
    /// Verifies a request object if there is one.
    Verify,
    /// Refuses requests without one.
    Require,
}

/// Which access tokens a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRule {
    /// Index of the issuer in [`Site::token_issuers`](super::Site::token_issuers).
    pub issuer: usize,
    /// Whether a token that is bound to neither a certificate nor a DPoP key is accepted.
    pub allow_unbound: bool,
}

/// The specification of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// The paths.
    pub path: PathPattern,
    /// The methods; others are refused.
    pub methods: Vec<Method>,
    /// How it authenticates.
    pub authenticate: Authenticate,
    /// What it does with request objects.
    pub signed_request: SignedRequest,
    /// The longest time of a request, zero for any time; `None`: that of `[limits]`.
    pub request_timeout: Option<Duration>,
}

impl Default for RouteSpec {
    /// `POST /oauth/token`, by the client's own certificate.
    fn default() -> Self {
        let path = PathPattern::Exact("/oauth/token".to_owned());
        Self {
            path,
            methods: vec![Method::POST],
            authenticate: Authenticate::default(),
            signed_request: SignedRequest::default(),
            request_timeout: None,
        }
    }
}

impl RouteSpec {
    /// The methods that a route can have. CONNECT and TRACE are never forwarded.
    pub const METHODS: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];

    /// The routes of a domain that has none configured: the token endpoint and pushed authorization requests (RFC 9126).
    #[must_use]
    pub fn defaults() -> [Self; 2] {
        let pushed = PathPattern::Exact("/oauth/par".to_owned());
        [Self::default(), Self { path: pushed, ..Self::default() }]
    }
}

/// A route of a domain.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    pattern: PathPattern,
    /// The path as it is configured.
    path: Box<str>,
    /// The methods of this rule.
    pub methods: Vec<Method>,
    /// How it authenticates.
    pub authenticate: Authenticate,
    /// What it does with request objects.
    pub signed_request: SignedRequest,
    /// The longest time of a request, zero for any time; `None`: that of `[limits]`.
    pub request_timeout: Option<Duration>,
}

/// The longest path that is served under a subtree, in bytes.
const LONGEST: usize = 4096;

/// Why no rule applies to a request.
#[derive(Debug, PartialEq, Eq)]
pub enum RouteError {
    /// No rule for this path.
    NotFound,
    /// The literal path falls under one rule, and for a more lenient server under another.
    Ambiguous,
    /// The path is under a subtree, and longer than this.
    TooLong(usize),
    /// The path allows only these methods.
    Method(Vec<Method>),
}

/// A domain's rules. An empty list refuses everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// Rules by path: exact ones first, then subtrees, the longest first.
    rules: Vec<Rule>,
}

/// All routes of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: PathPattern,
    /// The segments of the path as the most lenient server reads them.
    segments: Vec<String>,
    routes: Vec<Arc<Route>>,
}

impl Route {
    /// The path as it is configured.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether a request that satisfies this rule also satisfies `other`.
    fn is_as_strict_as(&self, other: &Self) -> bool {
        let Self { pattern: _, path: _, methods: _, authenticate, signed_request, request_timeout: _ } = self;
        let is_authenticated = match (*authenticate, other.authenticate) {
            (_, Authenticate::None) => true,
            (Authenticate::Token(own), Authenticate::Token(other)) => {
                own.issuer == other.issuer && (other.allow_unbound || !own.allow_unbound)
            }
            (own, other) => own == other,
        };
        is_authenticated && *signed_request >= other.signed_request
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        match &self.pattern {
            PathPattern::Exact(exact) => path == exact,
            PathPattern::Subtree(prefix) => path.starts_with(prefix.as_str()),
        }
    }

    /// Whether a path with these segments falls under it. `/a/*` includes `/a`, which some servers read as `/a/`.
    fn reads_as(&self, segments: &[&str]) -> bool {
        self.compare(segments, |segment, rule, _| segment == rule)
    }

    /// Whether a server that drops extensions or serves short names may serve this path as one of this rule.
    fn may_serve(&self, segments: &[&str]) -> bool {
        self.compare(segments, may_serve)
    }

    fn compare(&self, segments: &[&str], same: impl Fn(&str, &str, bool) -> bool) -> bool {
        let (own, found) = (self.segments.len(), segments.len());
        let fits = if matches!(self.pattern, PathPattern::Exact(_)) { own == found } else { own <= found };
        fits && self
            .segments
            .iter()
            .zip(segments)
            .enumerate()
            .all(|(at, (rule, segment))| same(segment, rule, at + 1 == found))
    }

    fn route(&self, method: &Method) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.methods.contains(method))
    }
}

impl Routes {
    /// All routes, from most to least specific.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.rules.iter().flat_map(|rule| rule.routes.iter().map(Arc::as_ref))
    }

    /// Orders the rules from most to least specific.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = RouteSpec>) -> Self {
        let mut rules: Vec<Rule> = Vec::new();
        for route in routes {
            let RouteSpec { path: pattern, methods, authenticate, signed_request, request_timeout } = route;
            let path = match &pattern {
                PathPattern::Exact(path) => path.as_str().into(),
                PathPattern::Subtree(prefix) => format!("{prefix}*").into(),
            };
            let built =
                Arc::new(Route { pattern, path, methods, authenticate, signed_request, request_timeout });
            match rules.iter_mut().find(|rule| rule.pattern == built.pattern) {
                Some(rule) => rule.routes.push(built),
                None => rules.push(Rule {
                    pattern: built.pattern.clone(),
                    segments: Reading::of_rule(text(&built.pattern)),
                    routes: vec![built],
                }),
            }
        }
        rules.sort_by_key(|rule| match &rule.pattern {
            PathPattern::Exact(_) => (0, 0),
            PathPattern::Subtree(prefix) => (1, usize::MAX - prefix.len()),
        });
        Self { rules }
    }

    /// The rule for this method and path.
    ///
    /// A path is matched by its literal bytes, case-sensitively. An upstream may be more lenient (decode `%74`, merge `//`, resolve
    /// `..`, ignore case, `;x` or `.json`), so every lenient reading must fall under the same rule: otherwise `/oauth/%74oken`
    /// would pass an unauthenticated `/oauth/*` and be served as `/oauth/token`.
    pub fn find(&self, method: &Method, path: &str) -> Result<&Arc<Route>, RouteError> {
        let literal = self.rules.iter().position(|rule| rule.matches(path)).ok_or(RouteError::NotFound)?;
        let rule = self.rules.get(literal).ok_or(RouteError::NotFound)?;
        let route = rule.route(method);
        // An exact match is the spelling that the operator configured: no other reading is possible.
        if matches!(rule.pattern, PathPattern::Subtree(_)) {
            if path.len() > LONGEST {
                return Err(RouteError::TooLong(LONGEST));
            }
            self.read_alike(literal, method, route, path).map_err(|Ambiguous| RouteError::Ambiguous)?;
        }
        route.ok_or_else(|| {
            RouteError::Method(rule.routes.iter().flat_map(|route| route.methods.iter().cloned()).collect())
        })
    }

    /// Checks that each reading of a path falls under the rule that it matches literally, or under one that is not stricter.
    fn read_alike(
        &self,
        literal: usize,
        method: &Method,
        route: Option<&Arc<Route>>,
        path: &str,
    ) -> Result<(), Ambiguous> {
        let is_not_stricter = |rule: &Rule| {
            route.is_none_or(|route| rule.route(method).is_some_and(|other| route.is_as_strict_as(other)))
        };
        let reading = Reading::of(path)?;
        for segments in reading.cuts() {
            if self.rules.iter().position(|rule| rule.reads_as(&segments)) != Some(literal) {
                return Err(Ambiguous);
            }
            // Only some servers read paths in this way, and honest names contain dots: it matters only if the other rule is
            // stricter.
            let mut special = self.rules.iter().take(literal);
            if special.any(|rule| rule.may_serve(&segments) && !is_not_stricter(rule)) {
                return Err(Ambiguous);
            }
            for path in after_scripts(&segments)? {
                if self.rules.iter().any(|rule| rule.may_serve(path) && !is_not_stricter(rule)) {
                    return Err(Ambiguous);
                }
            }
        }
        Ok(())
    }
}

fn text(pattern: &PathPattern) -> &str {
    match pattern {
        PathPattern::Exact(path) | PathPattern::Subtree(path) => path,
    }
}

#[cfg(test)]
mod tests;
