//! The check of authorization requests, on routes with `signed_request`: their form, their request object, and what their
//! application requires; and that of all requests of a domain with a security profile.

mod profile;

use std::{
    rc::Rc,
    sync::Arc,
    task::{self, Poll},
};

use futures_util::future::Either;
use http::{Method, Response};
use tower::Service;

use super::{Authenticated, Context, LocalFuture, Refusal, WorkerParts, inbound::CheckedRequest};
use crate::{
    authenticate::client_id,
    authorization_request::{
        Endpoint, FapiError, Form, Outside, Part, RequestError, RequestObject, Requirements,
        fapi::{self, Pushed},
    },
    clock::Clock,
    forward::ResponseBody,
    oauth::{ParameterError, Parameters, all_parameters},
    observe::metrics::AuthorizationRequest as Outcome,
    site::{Authenticate, Route, SignedRequest},
    text::{SHOWN, bounded},
    trust::{Application, UnknownApplications},
};

/// The parameters that decide how a request is checked.
const READ: [&str; 4] = ["client_id", "request", "request_uri", "response_type"];

/// Verifies request objects, and refuses requests that are not signed or pushed where that is required.
#[derive(Clone, Debug)]
pub struct CheckRequest<S> {
    inner: S,
    parts: Rc<WorkerParts>,
}

impl<S> CheckRequest<S> {
    pub(super) const fn new(inner: S, parts: Rc<WorkerParts>) -> Self {
        Self { inner, parts }
    }

    /// Checks a request, counts and records the outcome.
    fn check(&self, request: &Authenticated) -> Result<(), Refusal> {
        let checked = check(request, &self.parts.clock);
        let (mut contradicted, mut only_outside) = (None, None);
        let outcome = match &checked {
            Ok(Checked::Unconcerned) => return Ok(()),
            Ok(Checked::As(outcome)) => *outcome,
            Ok(Checked::Verified(differences)) => {
                contradicted.clone_from(&differences.contradicted);
                only_outside.clone_from(&differences.only_outside);
                differences.outcome()
            }
            Err(Refusal::AuthorizationRequest(error)) => refused(error.part()),
            Err(Refusal::Profile(_)) => Outcome::RefusedProfile,
            Err(_) => Outcome::RefusedParameters,
        };
        self.parts.metrics.authorization_requests.increment(outcome);
        let outcome = outcome.value();
        request.context.record.checked.replace(Some(Box::new(CheckedRequest {
            outcome,
            contradicted,
            only_outside,
        })));
        match checked? {
            Checked::Verified(Differences { contradicted: Some(names), is_strict: true, .. }) => {
                Err(RequestError::Contradicted(bounded(&names, SHOWN).into_owned()).into())
            }
            _ => Ok(()),
        }
    }
}

const fn refused(part: Part) -> Outcome {
    match part {
        Part::Required => Outcome::RefusedRequired,
        Part::Parameters => Outcome::RefusedParameters,
        Part::Token => Outcome::RefusedToken,
        Part::Signature => Outcome::RefusedSignature,
        Part::Lifetime => Outcome::RefusedLifetime,
        Part::Claims => Outcome::RefusedClaims,
    }
}

/// What a request is.
enum Checked {
    /// Not an authorization request, on a route where it need not be one.
    Unconcerned,
    As(Outcome),
    /// Its request object is verified.
    Verified(Differences),
}

/// The names of parameters outside a verified request object.
struct Differences {
    /// Those that contradict it.
    contradicted: Option<String>,
    /// Those that are not in it.
    only_outside: Option<String>,
    /// Whether the application's rules refuse contradictions.
    is_strict: bool,
}

impl Differences {
    const fn outcome(&self) -> Outcome {
        match (&self.contradicted, self.is_strict) {
            (None, _) => Outcome::Verified,
            (Some(_), false) => Outcome::Contradicted,
            (Some(_), true) => Outcome::RefusedParameters,
        }
    }
}

fn check(request: &Authenticated, clock: &Clock) -> Result<Checked, Refusal> {
    let Authenticated { context, body, route, application, .. } = request;
    let fapi = context.domain.security_profile.is_some();
    if fapi {
        fapi::check_query(context.head.uri.query())?;
    }
    let Some(parameters) = context.parameters.as_ref() else {
        return match route.signed_request {
            SignedRequest::Off => Ok(Checked::Unconcerned),
            SignedRequest::Verify | SignedRequest::Require => {
                Err(Refusal::Parameter(ParameterError::NoClient))
            }
        };
    };
    if fapi {
        profile::check(request, parameters, clock)?;
    }
    let endpoint = endpoint(route);
    let is_concerned = match endpoint {
        _ if route.signed_request != SignedRequest::Off => true,
        Endpoint::Authorization => fapi && fapi::is_authorization_request(parameters),
        Endpoint::Pushed => fapi && fapi::is_pushed_request(parameters),
    };
    if !is_concerned {
        return Ok(Checked::Unconcerned);
    }
    check_places(request, parameters, endpoint)?;
    let outside = Outside {
        request: parameters.get("request"),
        request_uri: parameters.get("request_uri"),
        response_type: parameters.get("response_type"),
    };
    let application = match (application, endpoint) {
        (Some(application), _) => Some(application),
        (None, Endpoint::Authorization) => named(context, parameters, &outside)?,
        (None, Endpoint::Pushed) => None,
    };
    // Nobody could verify its request objects.
    if application.is_none() && route.signed_request == SignedRequest::Require {
        return Err(RequestError::UnknownClient.into());
    }
    let rules = application.map(|application| &application.rules);
    let mut required = Requirements::new(route.signed_request == SignedRequest::Require, rules);
    required.pushed |= fapi;
    let object = match Form::of(&outside, endpoint, required)? {
        Form::Parameters => {
            if fapi {
                Pushed::Parameters(parameters).check()?;
            }
            return Ok(Checked::As(Outcome::Unsigned));
        }
        Form::Reference => {
            if fapi {
                fapi::check_reference(parameters)?;
            }
            return Ok(Checked::As(Outcome::Pushed));
        }
        Form::Object(object) => object,
    };
    // Only `unknown_applications = "forward"` lets a request of an application that is not registered get here.
    let Some(application) = application else { return Ok(Checked::As(Outcome::Unverified)) };
    if parameters.get("client_id").is_some_and(|id| id != application.client_id.as_str()) {
        return Err(RequestError::OtherClient.into());
    }
    let now = clock.now();
    let verified = RequestObject::verify(object, application, &outside, context.domain.issuer.as_ref(), now)?;
    verified.key.usage.record(now, None);
    if fapi {
        Pushed::Object(&verified).check()?;
    }
    let all = all_parameters(&context.head, body.buffered_bytes());
    let only_outside = verified.only_outside(all.iter().map(|(name, _)| &**name));
    let contradictions = verified.contradictions(all);
    let contradicted = (!contradictions.is_empty()).then(|| contradictions.names());
    let is_strict = application.rules.strict_request_objects;
    Ok(Checked::Verified(Differences { contradicted, only_outside, is_strict }))
}

/// Applications push their requests themselves and authenticate; a browser at the authorization endpoint cannot.
const fn endpoint(route: &Route) -> Endpoint {
    match route.authenticate {
        Authenticate::None => Endpoint::Authorization,
        Authenticate::Client | Authenticate::Certificate | Authenticate::Token(_) => Endpoint::Pushed,
    }
}

/// The registered application that the request names.
fn named<'c>(
    context: &'c Context,
    parameters: &Parameters,
    outside: &Outside<'_>,
) -> Result<Option<&'c Arc<Application>>, Refusal> {
    let trust = &context.site.trust;
    let forwards_unknown = trust.unknown_applications == UnknownApplications::Forward;
    let id = match client_id(parameters) {
        Ok(id) => id,
        Err(ParameterError::NoClient)
            if forwards_unknown && outside.request.is_none() && outside.request_uri.is_none() =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Refusal::Parameter(error)),
    };
    let application = trust.registry.application(id.as_str());
    context.record.client_id.replace(Some(id));
    match application {
        None if !forwards_unknown => Err(RequestError::UnknownClient.into()),
        known => Ok(known),
    }
}

/// Refuses what some servers read and others do not: the body of a GET, and the query of a POST.
fn check_places(request: &Authenticated, parameters: &Parameters, endpoint: Endpoint) -> Result<(), Refusal> {
    if matches!(request.context.head.method, Method::GET | Method::HEAD) {
        return if request.body.buffered_bytes().is_empty() {
            Ok(())
        } else {
            Err(Refusal::Parameter(ParameterError::BodyOfGet))
        };
    }
    let is_allowed = |name: &str| {
        let places = parameters.places(name);
        // An application that pushes a request authenticates, and with that names itself.
        let names_client = name == "client_id" && endpoint == Endpoint::Pushed;
        !places.query || (names_client && (places.body || places.basic))
    };
    match READ.iter().find(|name| !is_allowed(name)) {
        Some(name) => Err(Refusal::Parameter(ParameterError::InQuery(name))),
        None => Ok(()),
    }
}

impl From<FapiError> for Refusal {
    fn from(error: FapiError) -> Self {
        Self::Profile(error)
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self::AuthorizationRequest(error)
    }
}

impl<S> Service<Authenticated> for CheckRequest<S>
where
    S: Service<Authenticated, Response = Response<ResponseBody>, Error = Refusal>,
    S::Future: 'static,
{
    type Response = S::Response;
    type Error = Refusal;
    /// That of the next service, a refusal, or the next service's with a response that the profile changes.
    type Future = Either<
        S::Future,
        Either<std::future::Ready<Result<S::Response, Refusal>>, LocalFuture<S::Response, Refusal>>,
    >;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Refusal>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Authenticated) -> Self::Future {
        let has_profile = request.context.domain.security_profile.is_some();
        if request.route.signed_request == SignedRequest::Off && !has_profile {
            return Either::Left(self.inner.call(request));
        }
        if let Err(refusal) = self.check(&request) {
            return Either::Right(Either::Left(std::future::ready(Err(refusal))));
        }
        if has_profile && endpoint(&request.route) == Endpoint::Authorization {
            let is_authorization = profile::is_authorization_endpoint(&request);
            let answer = self.inner.call(request);
            return Either::Right(Either::Right(Box::pin(async move {
                answer.await.map(|response| profile::for_browsers(response, is_authorization))
            })));
        }
        Either::Left(self.inner.call(request))
    }
}
