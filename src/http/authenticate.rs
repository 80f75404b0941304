//! Whose request it is: the client it names must own the connection's certificate, under the trust in force now.

use std::{
    rc::Rc,
    sync::Arc,
    task::{self, Poll},
};

use http::{Response, header};
use tower::Service;

use super::{Authenticated, Connection, Context, LocalFuture, Peers, Refusal, Routed, now};
use crate::{
    authenticate::{ChainCache, Denial, Proof, client_id, judge_any, judge_client},
    config::settings::{self, Limits},
    forward::{BodyFault, RequestBody, ResponseBody},
    identity::ClientCertificate,
    site::{Route, SiteHandle},
};

/// Reads `client_id` where the route asks for one, and judges the certificate.
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    site: SiteHandle,
    chains: Rc<ChainCache>,
    peers: Rc<Peers>,
}

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, site: SiteHandle, chains: Rc<ChainCache>, peers: Rc<Peers>) -> Self {
        Self { inner, site, chains, peers }
    }
}

fn certificate(connection: &Connection) -> Result<&ClientCertificate, Refusal> {
    let peer = connection.peer.as_ref().ok_or(Refusal::Denied(Denial::NoCertificate))?;
    peer.certificate.as_ref().map_err(|error| Refusal::Denied(Denial::Unreadable(error.clone())))
}

/// What the request says of its body's length, against the limit: refused before a byte is read.
fn announced(context: &Context, limit: u64) -> Result<(), Refusal> {
    let length = context.head.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(Refusal::Body(BodyFault::TooLarge(limit)));
    }
    Ok(())
}

async fn authenticate(
    chains: &ChainCache,
    peers: &Peers,
    current: &SiteHandle,
    Routed { mut context, body, route }: Routed,
) -> Result<Authenticated, Refusal> {
    let Limits { body_bytes, body_timeout, client_id_body_bytes, .. } = context.site.limits;
    if route.authenticate != settings::Authenticate::Client {
        announced(&context, body_bytes)?;
        let proof = judge(chains, peers, route.authenticate, &context, &[])?;
        let body =
            RequestBody::streaming(body, body_bytes, body_timeout).holding(context.connection.receiving());
        return Ok(Authenticated { context, body, proof });
    }
    // Before the body is waited for: without a certificate it would be read in vain.
    certificate(&context.connection)?;
    announced(&context, u64::try_from(client_id_body_bytes).unwrap_or(u64::MAX))?;
    let body = RequestBody::collect(body, client_id_body_bytes, body_timeout).await?;
    let route = renewed(&mut context, current, route)?;
    let proof = judge(chains, peers, route.authenticate, &context, &body)?;
    Ok(Authenticated { context, body: RequestBody::buffered(body), proof })
}

/// A body may take long: a request is judged by the trust in force when it is there as a whole.
fn renewed(context: &mut Context, current: &SiteHandle, route: Arc<Route>) -> Result<Arc<Route>, Refusal> {
    if current.load().trust.generation == context.site.trust.generation {
        return Ok(route);
    }
    let site = current.load_full();
    let domain = site.domains.get(&*context.connection.server_name).cloned().ok_or(Refusal::Misdirected)?;
    let route = Arc::clone(domain.routes.find(&context.head.method, context.head.uri.path())?);
    context.domain = domain;
    context.site = site;
    Ok(route)
}

fn judge(
    chains: &ChainCache,
    peers: &Peers,
    asks: settings::Authenticate,
    context: &Context,
    body: &[u8],
) -> Result<Option<Proof>, Refusal> {
    let Context { head, connection, site, record, .. } = context;
    if asks == settings::Authenticate::None {
        return Ok(None);
    }
    let (certificate, now) = (certificate(connection)?, now());
    let judged = if asks == settings::Authenticate::Client {
        let id = client_id(head, body).map_err(Refusal::ClientId)?;
        let known = connection.peer.as_ref().and_then(|peer| peer.proof(site.trust.generation, &id, now));
        let judged = match known {
            Some(proof) => Ok((proof, true)),
            None => judge_client(&site.trust, chains, certificate, &id, now).map(|proof| (proof, false)),
        };
        record.client_id.replace(Some(id));
        judged
    } else {
        judge_any(&site.trust, chains, certificate, now).map(|proof| (proof, false))
    };
    let (proof, is_known) = judged.map_err(Refusal::Denied)?;
    proof.used(certificate, now);
    if !is_known {
        connection.peer.iter().for_each(|peer| peers.keep(peer, site.trust.generation, &proof));
    }
    record.proved.replace(Some((Arc::clone(&proof.application), proof.credential)));
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
        let (chains, peers, site) = (Rc::clone(&self.chains), Rc::clone(&self.peers), Arc::clone(&self.site));
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let authenticated = authenticate(&chains, &peers, &site, routed).await?;
            inner.call(authenticated).await
        })
    }
}
