//! The request by which an upstream shows whether it believes the headers, and why some upstreams are not asked.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};

use crate::{
    config::settings::{Domain, Upstream},
    forward::RequestBody,
    site::{Authenticate, PathPattern, RouteSpec, Routes},
    text,
};

/// A request that a server answers with a success only if it takes the client for authenticated: a token request, or a GET request.
#[derive(Debug)]
pub(super) struct Question {
    method: Method,
    path: String,
}

/// What a server responded, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// It has an access token, which is not kept.
    Token,
    /// It is the successful response to a GET request.
    Success,
    /// An error code of OAuth.
    Error(String),
    Other,
}

impl Answer {
    /// Whether the server takes the client for authenticated.
    pub(super) fn is_success(&self) -> bool {
        matches!(self.content, Content::Token | Content::Success)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.content {
            Content::Token => write!(f, "{} with an access token", self.status.as_u16()),
            Content::Error(code) => write!(f, "{} {code}", self.status.as_u16()),
            Content::Success | Content::Other => write!(f, "{}", self.status.as_u16()),
        }
    }
}

/// An answer, or why there is none.
pub(super) type Outcome = Result<Answer, String>;

/// Why an upstream, or one for a domain, is not asked.
#[derive(Debug)]
pub(super) struct NotAsked {
    pub(super) upstream: String,
    pub(super) urls: Vec<String>,
    /// None if no domain uses the upstream.
    pub(super) domain: Option<String>,
    pub(super) why: String,
    /// What to do.
    pub(super) help: &'static str,
    /// Whether the origins are examined for another domain.
    pub(super) is_asked_elsewhere: bool,
}

impl NotAsked {
    const BY_HAND: &str = "try it by hand, as docs/doctor.md shows";

    pub(super) fn new(upstream: &Upstream, domain: Option<&Domain>, why: impl Into<String>) -> Self {
        Self {
            upstream: upstream.name.value.clone(),
            urls: upstream.urls.iter().map(|url| url.value.url()).collect(),
            domain: domain.map(|domain| domain.name.value.clone()),
            why: why.into(),
            help: Self::BY_HAND,
            is_asked_elsewhere: false,
        }
    }

    /// The same with other advice.
    pub(super) fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }
}

impl Question {
    /// The best question that the routes of a domain allow.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) fn of(domain: &Domain, routes: &Routes) -> Result<Self, &'static str> {
        let specs =
            || domain.routes.iter().map(|route| &route.spec).filter(|spec| is_judged(spec.authenticate));
        if specs().next().is_none() {
            return Err("no route has authenticate = \"client\" or \"certificate\"");
        }
        let ranked = specs()
            .flat_map(|spec| Self::ranked(spec, &Method::POST).chain(Self::ranked(spec, &Method::GET)));
        // A guessed path may be that of another route.
        let is_routed = |question: &Self| {
            routes.find(&question.method, &question.path).is_ok_and(|route| is_judged(route.authenticate))
        };
        let usable = ranked.filter(|(_, question)| is_routed(question));
        usable.min_by_key(|(rank, _)| *rank).map(|(_, question)| question).ok_or(
            "its routes with authenticate = \"client\" or \"certificate\" have neither a token endpoint for POST nor a path for GET",
        )
    }

    /// The question that a route allows with this method, and its rank: a token endpoint first, since it is certain what it answers. A POST request
    /// elsewhere might change something.
    fn ranked<'a>(spec: &'a RouteSpec, method: &'a Method) -> impl Iterator<Item = (u8, Self)> + use<'a> {
        let is_post = *method == Method::POST;
        let path = match &spec.path {
            PathPattern::Exact(path) => path.clone(),
            PathPattern::Subtree(prefix) if is_post => format!("{prefix}token"),
            PathPattern::Subtree(prefix) => prefix.clone(),
        };
        let is_exact = matches!(spec.path, PathPattern::Exact(_));
        let is_for_tokens = path.rsplit('/').next().is_some_and(|segment| segment.contains("token"));
        let rank = match (is_post, is_for_tokens) {
            (true, true) if is_exact && spec.authenticate == Authenticate::Client => Some(0),
            (true, false) if is_exact && spec.authenticate == Authenticate::Client => Some(1),
            (true, true) => Some(if is_exact { 2 } else { 3 }),
            (true, false) => None,
            (false, _) => Some(if is_exact { 4 } else { 5 }),
        };
        let rank = rank.filter(|_| spec.methods.contains(method));
        rank.map(|rank| (rank, Self { method: method.clone(), path })).into_iter()
    }

    /// What a server gives to a client that it takes for authenticated.
    pub(super) fn gives(&self) -> &'static str {
        if self.is_for_token() { "token" } else { "success" }
    }

    fn is_for_token(&self) -> bool {
        self.method == Method::POST
    }

    /// The request of an application, without the headers that every request has.
    pub(super) fn request(&self, client_id: &str) -> Option<Request<RequestBody>> {
        let client_id = percent_encoding::utf8_percent_encode(client_id, percent_encoding::NON_ALPHANUMERIC);
        let request = Request::builder().method(&self.method);
        if !self.is_for_token() {
            let target = format!("{}?client_id={client_id}", self.path);
            return request.uri(target).body(RequestBody::buffered(Bytes::new())).ok();
        }
        let form = Bytes::from(format!("grant_type=client_credentials&client_id={client_id}"));
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = request.uri(&self.path).header(header::CONTENT_TYPE, form_type);
        request.body(RequestBody::buffered(form)).ok()
    }

    /// What matters of a response.
    pub(super) fn content(&self, status: StatusCode, body: &[u8]) -> Content {
        let json = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
        let member = |name: &str| json.get(name).and_then(serde_json::Value::as_str);
        match (member("access_token"), member("error")) {
            (Some(_), _) => Content::Token,
            _ if status.is_success() && !self.is_for_token() => Content::Success,
            (None, Some(error)) => Content::Error(text::shown(&error)),
            (None, None) => Content::Other,
        }
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Whether the edge vouches for the clients of a route by their own credential.
fn is_judged(authenticate: Authenticate) -> bool {
    matches!(authenticate, Authenticate::Client | Authenticate::Certificate)
}
