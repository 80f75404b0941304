//! Authentication of a request: the client that it names must have registered the connection's certificate, under the trust
//! that is active now.

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

use super::{Authenticated, Context, IdentityCache, LocalFuture, Refusal, Routed, WorkerParts};
use crate::{
    authenticate::{Denial, Presented, Proof, client_id, judge_any, judge_client},
    clock::Clock,
    forward::{BodyFault, BufferedBytes, IncomingBody, RequestBody, ResponseBody, Share},
    site::{self, Limits, Route, SiteHandle},
};

/// Reads `client_id` if the route needs it, and judges the certificate.
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    site: SiteHandle,
    identities: Rc<IdentityCache>,
    stranger_bodies: StrangerBodies,
    clock: Clock,
    buffered: Arc<BufferedBytes>,
}

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, site: SiteHandle, parts: &WorkerParts) -> Self {
        Self {
            inner,
            site,
            identities: Rc::clone(&parts.identities),
            stranger_bodies: parts.stranger_bodies.clone(),
            clock: parts.clock.clone(),
            buffered: Arc::clone(&parts.buffered),
        }
    }
}

/// The certificate that was presented in the handshake.
fn presented<'a>(context: &'a Context, identities: &'a IdentityCache) -> Result<Presented<'a>, Refusal> {
    let Some(identity) = context.connection.identity.as_ref() else {
        return Err(Refusal::Denied(Denial::NoCertificate));
    };
    identity
        .presented(&identities.refusals)
        .map_err(|error| Refusal::Denied(Denial::Unreadable(error.clone())))
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

async fn authenticate(
    identities: &IdentityCache,
    stranger_bodies: &StrangerBodies,
    clock: &Clock,
    buffered: &Arc<BufferedBytes>,
    current: &SiteHandle,
    Routed { mut context, body, route }: Routed,
) -> Result<Authenticated, Refusal> {
    let Limits { body_bytes, body_timeout, client_id_body_bytes, buffered_bytes, .. } = context.site.limits;
    if route.authenticate != site::Authenticate::Client {
        check_announced_length(&context, body_bytes)?;
        let proof = judge(identities, clock, route.authenticate, &context, &[])?;
        let body =
            RequestBody::streaming(body, body_bytes, body_timeout).holding(context.connection.receiving());
        return Ok(Authenticated { context, body, proof });
    }
    // Checked before the body is read, which without a certificate would be useless.
    presented(&context, identities)?;
    check_announced_length(&context, u64::try_from(client_id_body_bytes).unwrap_or(u64::MAX))?;
    let mut share = Share::of(buffered, buffered_bytes);
    let body = match stranger_denial(&context, clock) {
        Some(denial) => {
            read_stranger_body(stranger_bodies, &context, body, &mut share).await.ok_or(denial)?
        }
        None => RequestBody::collect(body, client_id_body_bytes, body_timeout, &mut share).await?,
    };
    let route = refresh_site(&mut context, current, route)?;
    let proof = judge(identities, clock, route.authenticate, &context, &body)?;
    Ok(Authenticated { context, body: RequestBody::with_share(body, share), proof })
}

/// The denial of a stranger: a client whose certificate no application can have registered, by thumbprint, subject or SAN.
/// The request's `client_id` cannot change that. `None` if it is not a stranger.
fn stranger_denial(context: &Context, clock: &Clock) -> Option<Refusal> {
    let identity = context.connection.identity.as_ref()?;
    let certificate = identity.certificate.as_ref().ok()?;
    if identity.is_candidate(&context.site.trust) {
        return None;
    }
    let denial = Denial::of_validity(certificate.validity(), clock.now());
    Some(Refusal::Denied(denial.unwrap_or(Denial::UnknownCertificate)))
}

/// How long reading the body of a stranger may take. It is read only to log the `client_id` of an application that presents
/// the wrong certificate; such a body is short and arrives with the head.
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
        context.record.client_id.replace(client_id(&context.head, &[]).ok());
    }
    body
}

/// Switches to the current site, if it has changed while the body was read: a request is judged by the trust that is
/// active once it is complete.
fn refresh_site(
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
    Ok(route)
}

fn judge(
    identities: &IdentityCache,
    clock: &Clock,
    asks: site::Authenticate,
    context: &Context,
    body: &[u8],
) -> Result<Option<Proof>, Refusal> {
    let Context { head, connection, site, record, .. } = context;
    if asks == site::Authenticate::None {
        return Ok(None);
    }
    if let site::Authenticate::Token(_) = asks {
        // Access tokens are not verified yet, and the configuration cannot ask for it.
        return Err(Refusal::Denied(Denial::NoCertificate));
    }
    let (presented, now) = (presented(context, identities)?, clock.now());
    let judged = if asks == site::Authenticate::Client {
        let id = client_id(head, body).map_err(Refusal::Parameter)?;
        let identity = connection.identity.as_ref();
        let known = identity.and_then(|identity| identity.proof(&site.trust, &id, now));
        let judged = match known {
            Some(proof) => Ok((proof, true)),
            None => judge_client(&site.trust, presented, &id, now).map(|proof| (proof, false)),
        };
        record.client_id.replace(Some(id));
        judged
    } else {
        judge_any(&site.trust, presented, now).map(|proof| (proof, false))
    };
    let (proof, is_known) = judged.map_err(Refusal::Denied)?;
    proof.record_use(presented.certificate, now);
    if !is_known {
        connection.identity.iter().for_each(|identity| identities.remember(identity, &site.trust, &proof));
    }
    record.authenticated.replace(Some((Arc::clone(&proof.application), proof.credential)));
    Ok(Some(proof))
}

impl<S> Service<Routed> for Authenticate<S>
where
    S: Service<Authenticated, Response = Response<ResponseBody>, Error = Refusal> + Clone + 'static,
{
    type Response = S::Response;
    type Error = Refusal;
    type Future = LocalFuture<S::Response, Refusal>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Refusal>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        let (identities, site) = (Rc::clone(&self.identities), Arc::clone(&self.site));
        let (stranger_bodies, clock) = (self.stranger_bodies.clone(), self.clock.clone());
        let buffered = Arc::clone(&self.buffered);
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let authenticated =
                authenticate(&identities, &stranger_bodies, &clock, &buffered, &site, routed).await?;
            inner.call(authenticated).await
        })
    }
}
