//! Reads what a request is judged by: buffers its body and parses its parameters, once, if its route needs them.

use std::{
    cell::Cell,
    rc::Rc,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, header};
use tower::Service;

use super::{
    Context, LocalFuture, Received, Refusal, Routed, WorkerParts,
    access_token::{has_form_body, has_token},
    locate,
};
use crate::{
    access_token::{Bound, RequestFault, TokenRefusal},
    authenticate::{Denial, client_id},
    clock::Clock,
    forward::{BodyFault, IncomingBody, RequestBody, ResponseBody, Share},
    oauth::{PARAMETERS, Parameters, check_body_headers},
    site::{Authenticate, Limits, Route, SignedRequest, SiteHandle, TokenRule},
    trust::UnknownApplications,
};

/// How long reading a body may take until a request on its connection is authenticated.
const UNAUTHENTICATED_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Buffers the body and parses the parameters, or streams the body if the route needs no parameter.
#[derive(Clone, Debug)]
pub struct Read<S> {
    inner: S,
    site: SiteHandle,
    parts: Rc<WorkerParts>,
}

impl<S> Read<S> {
    pub(super) const fn new(inner: S, site: SiteHandle, parts: Rc<WorkerParts>) -> Self {
        Self { inner, site, parts }
    }
}

/// Whether requests of this route are judged by their parameters.
fn needs_parameters(context: &Context, route: &Route) -> bool {
    // On other routes of a domain with a security profile, the requests are those of resources.
    let has_profile = route.authenticate == Authenticate::None && context.domain.security_profile.is_some();
    route.authenticate == Authenticate::Client || route.signed_request != SignedRequest::Off || has_profile
}

/// Refuses a body whose Content-Length exceeds the limit, before a byte of it is read.
fn check_announced_length(context: &Context, limit: u64) -> Result<(), Refusal> {
    let length = context.head.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(Refusal::Body(BodyFault::TooLarge(limit)));
    }
    Ok(())
}

async fn read(
    parts: &WorkerParts,
    current: &SiteHandle,
    Routed { mut context, body, route }: Routed,
) -> Result<Received, Refusal> {
    let Limits { body_bytes, body_timeout, client_id_body_bytes, .. } = context.site.limits;
    if let Authenticate::Token(rule) = route.authenticate {
        // Boxed: the future of every other request would be as large.
        return Box::pin(read_with_token(parts, current, Routed { context, body, route }, rule)).await;
    }
    if !needs_parameters(&context, &route) {
        check_announced_length(&context, body_bytes)?;
        let body =
            RequestBody::streaming(body, body_bytes, body_timeout).holding(context.connection.receiving());
        return Ok(Received { context, body, route });
    }
    if route.authenticate == Authenticate::Client
        && let Some(denial) = denial_without_certificate(&context)
    {
        let mut share = parts.bodies.for_stranger(&context);
        // Boxed: the future of every other request would be as large.
        let body = Box::pin(read_stranger_body(&parts.stranger_bodies, &context, body, &mut share)).await;
        note_client_id(&context, &body.unwrap_or_default());
        return Err(denial);
    }
    check_announced_length(&context, u64::try_from(client_id_body_bytes).unwrap_or(u64::MAX))?;
    let (mut share, body_timeout) = if is_trusted(&context) {
        (parts.bodies.for_client(&context), body_timeout)
    } else {
        (parts.bodies.for_stranger(&context), body_timeout.min(UNAUTHENTICATED_BODY_TIMEOUT))
    };
    let stranger = match route.authenticate {
        Authenticate::Client => stranger_denial(&context, &parts.clock),
        _ => None,
    };
    let body = match stranger {
        Some(denial) => {
            // Boxed: the future of every other request would be as large.
            let body = read_stranger_body(&parts.stranger_bodies, &context, body, &mut share);
            Box::pin(body).await.ok_or(denial)?
        }
        None => RequestBody::collect(body, client_id_body_bytes, body_timeout, &mut share).await?,
    };
    let route = refresh_site(parts, &mut context, current, route)?;
    context.parameters = Some(parse(&context, &body)?);
    Ok(Received { context, body: RequestBody::with_share(body, share), route })
}

/// Verifies the access token by the head, before any of the body is read. Only a form is buffered, since it may contain a second token,
/// which the upstream might prefer (RFC 6750 section 2.2).
async fn read_with_token(
    parts: &WorkerParts,
    current: &SiteHandle,
    Routed { mut context, body, route }: Routed,
    rule: TokenRule,
) -> Result<Received, Refusal> {
    let Limits { body_bytes, body_timeout, .. } = context.site.limits;
    let is_form = has_form_body(&context.head.headers);
    let verdict = parts.tokens.verify(&context, rule).await;
    if !is_form {
        parts.tokens.count(&verdict);
        context.token = Some(verdict.map_err(Refusal::Token)?);
        let route = refresh_token_route(parts, &mut context, current, (route, rule))?;
        check_announced_length(&context, body_bytes)?;
        let body =
            RequestBody::streaming(body, body_bytes, body_timeout).holding(context.connection.receiving());
        return Ok(Received { context, body, route });
    }
    let mut share = parts.bodies.for_client(&context);
    let form = read_form(parts, &context, body, &verdict, &mut share).await;
    // Also where an upstream might find one that the edge cannot see.
    let may_have_second = match &form {
        Ok(form) => has_token(form),
        Err(refusal) => matches!(refusal, Refusal::Parameter(_)),
    };
    let verdict = if may_have_second { Err(TokenRefusal::Request(RequestFault::InBody)) } else { verdict };
    parts.tokens.count(&verdict);
    let form = form?;
    context.token = Some(verdict.map_err(Refusal::Token)?);
    let route = refresh_token_route(parts, &mut context, current, (route, rule))?;
    Ok(Received { context, body: RequestBody::with_share(form, share), route })
}

/// Reads a form that may contain a token beside the one of the head, whose verdict is given. Empty if that is refused anyway.
async fn read_form(
    parts: &WorkerParts,
    context: &Context,
    body: IncomingBody,
    verdict: &Result<Bound, TokenRefusal>,
    share: &mut Share,
) -> Result<Bytes, Refusal> {
    let Limits { body_timeout, client_id_body_bytes, .. } = context.site.limits;
    if matches!(verdict, Ok(_) | Err(TokenRefusal::Missing)) {
        check_body_headers(&context.head.headers).map_err(Refusal::Parameter)?;
    }
    match verdict {
        Ok(_) => {
            check_announced_length(context, u64::try_from(client_id_body_bytes).unwrap_or(u64::MAX))?;
            Ok(RequestBody::collect(body, client_id_body_bytes, body_timeout, share).await?)
        }
        Err(TokenRefusal::Missing) => {
            let form = read_stranger_body(&parts.stranger_bodies, context, body, share).await;
            Ok(form.unwrap_or_default())
        }
        Err(_) => Ok(Bytes::new()),
    }
}

/// Switches to the current site, if it has changed while the issuer was asked or the body was read. The verdict holds only if the route
/// has the same rule and the issuer the same keys; otherwise the client must try again, since its proof has been used.
fn refresh_token_route(
    parts: &WorkerParts,
    context: &mut Context,
    current: &SiteHandle,
    (route, rule): (Arc<Route>, TokenRule),
) -> Result<Arc<Route>, Refusal> {
    let judged_by = context.site.token_issuers.get(rule.issuer).cloned();
    let route = refresh_site(parts, context, current, route)?;
    let same_rule = match route.authenticate {
        Authenticate::Token(now) => {
            now.allow_unbound == rule.allow_unbound && {
                judged_by.is_some() && context.site.token_issuers.get(now.issuer) == judged_by.as_ref()
            }
        }
        _ => false,
    };
    if same_rule {
        return Ok(route);
    }
    let why = "the configuration changed while the token was verified".to_owned();
    Err(Refusal::Token(TokenRefusal::Unavailable(why)))
}

fn parse(context: &Context, body: &[u8]) -> Result<Parameters, Refusal> {
    Parameters::parse(&context.head, body, &PARAMETERS).map_err(Refusal::Parameter)
}

/// Whether every request must authenticate with its connection's certificate.
fn only_certificates_authenticate(context: &Context) -> bool {
    let trust = &context.site.trust;
    !trust.registry.authenticates_without_certificate()
        && trust.unknown_applications == UnknownApplications::Refuse
}

/// Whether the connection has authenticated, or its certificate is registered.
fn is_trusted(context: &Context) -> bool {
    let is_candidate = || {
        let identity = context.connection.identity.as_ref();
        identity.is_some_and(|identity| identity.is_candidate(&context.site.trust))
    };
    context.connection.is_authenticated() || is_candidate()
}

/// The denial of a client without a certificate that can be judged, whatever its request is.
fn denial_without_certificate(context: &Context) -> Option<Refusal> {
    if !only_certificates_authenticate(context) {
        return None;
    }
    let denial = match context.connection.identity.as_deref().map(|identity| &identity.certificate) {
        Some(Ok(_)) => return None,
        Some(Err(error)) => Denial::Unreadable(error.clone()),
        None => Denial::NoCertificate,
    };
    Some(Refusal::Denied(denial))
}

/// The denial of a stranger: a client whose certificate no application can have registered, by thumbprint, subject or SAN.
/// The request's `client_id` cannot change that. `None` if it is not a stranger.
fn stranger_denial(context: &Context, clock: &Clock) -> Option<Refusal> {
    if !only_certificates_authenticate(context) {
        return None;
    }
    let identity = context.connection.identity.as_ref()?;
    let certificate = identity.certificate.as_ref().ok()?;
    if identity.is_candidate(&context.site.trust) {
        return None;
    }
    let denial = Denial::of_validity(certificate.validity(), clock.now());
    Some(Refusal::Denied(denial.unwrap_or(Denial::UnknownCertificate)))
}

/// How long reading the body of a stranger may take. It is read only to log the `client_id` of an application that presents
/// the wrong certificate or none; such a body is short and arrives with the head.
const STRANGER_BODY_TIMEOUT: Duration = Duration::from_millis(100);
/// The maximum length in bytes of a stranger's body.
const MAX_STRANGER_BODY: usize = 4 * 1024;

/// Limits the bodies of strangers that a worker reads at once.
#[derive(Clone, Debug, Default)]
pub struct StrangerBodies(Rc<Cell<usize>>);

impl StrangerBodies {
    const MAX: usize = 64;

    /// Reserves a place until the guard is dropped; `None` if all are taken.
    fn place(&self) -> Option<StrangerBody> {
        let taken = self.0.get();
        (taken < Self::MAX).then(|| {
            self.0.set(taken + 1);
            StrangerBody(Rc::clone(&self.0))
        })
    }
}

/// The guard of one reserved place.
#[derive(Debug)]
struct StrangerBody(Rc<Cell<usize>>);

impl Drop for StrangerBody {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// Reads the body of a stranger; `None` if it is too long, too slow, or too many others are being read.
async fn read_stranger_body(
    stranger_bodies: &StrangerBodies,
    context: &Context,
    body: IncomingBody,
    share: &mut Share,
) -> Option<Bytes> {
    let read = async {
        check_announced_length(context, u64::try_from(MAX_STRANGER_BODY).ok()?).ok()?;
        let _place = stranger_bodies.place()?;
        let body = RequestBody::collect(body, MAX_STRANGER_BODY, STRANGER_BODY_TIMEOUT, share);
        tokio::time::timeout(STRANGER_BODY_TIMEOUT, body).await.ok()?.ok()
    };
    let body = read.await;
    if body.is_none() {
        // The head may contain a client_id too.
        note_client_id(context, &[]);
    }
    body
}

/// Notes for the log which client the request names, if it can be read.
fn note_client_id(context: &Context, body: &[u8]) {
    let named = parse(context, body).ok().and_then(|parameters| client_id(&parameters).ok());
    context.record.client_id.replace(named);
}

/// Switches to the current site, if it has changed while the body was read: a request is judged by the trust that is
/// active once it is complete.
fn refresh_site(
    parts: &WorkerParts,
    context: &mut Context,
    current: &SiteHandle,
    route: Arc<Route>,
) -> Result<Arc<Route>, Refusal> {
    if Arc::ptr_eq(&current.load(), &context.site) {
        return Ok(route);
    }
    let site = current.load_full();
    let Some(domain) = site.domains.get(&*context.connection.server_name).cloned() else {
        return Err(Refusal::Misdirected);
    };
    let route = Arc::clone(domain.routes.find(&context.head.method, context.head.uri.path())?);
    context.domain = domain;
    context.site = site;
    locate::record(parts, context, &route);
    Ok(route)
}

impl<S> Service<Routed> for Read<S>
where
    S: Service<Received, Response = Response<ResponseBody>, Error = Refusal> + Clone + 'static,
{
    type Response = S::Response;
    type Error = Refusal;
    type Future = LocalFuture<S::Response, Refusal>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Refusal>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        let (parts, site, mut inner) = (Rc::clone(&self.parts), Arc::clone(&self.site), self.inner.clone());
        Box::pin(async move {
            let received = read(&parts, &site, routed).await?;
            inner.call(received).await
        })
    }
}
