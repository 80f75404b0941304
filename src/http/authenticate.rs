//! Whose request it is: the client it names must own the connection's certificate, under the trust in force now.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use http::{Response, header};
use tower::Service;

use super::{Arrived, Authenticated, Connection, LocalFuture, Refusal, Routed, now};
use crate::{
    authenticate::{ChainCache, Denial, Proof, client_id, judge_any, judge_client},
    config::settings,
    forward::{BodyFault, RequestBody, ResponseBody},
    identity::ClientCertificate,
};

/// Reads `client_id` where the route asks for one, and judges the certificate.
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    chains: Rc<ChainCache>,
}

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, chains: Rc<ChainCache>) -> Self {
        Self { inner, chains }
    }
}

fn certificate(connection: &Connection) -> Result<&ClientCertificate, Refusal> {
    let peer = connection.peer.as_ref().ok_or(Refusal::Denied(Denial::NoCertificate))?;
    peer.certificate.as_ref().map_err(|error| Refusal::Denied(Denial::Unreadable(error.clone())))
}

/// What the request says of its body's length, against the limit: refused before a byte is read.
fn announced(arrived: &Arrived, limit: u64) -> Result<(), Refusal> {
    let length = arrived.head.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(Refusal::Body(BodyFault::TooLarge(limit)));
    }
    Ok(())
}

async fn authenticate(
    chains: &ChainCache,
    Routed { arrived, route }: Routed,
) -> Result<Authenticated, Refusal> {
    let limits = arrived.site.limits.clone();
    let (proof, body) = match route.authenticate {
        settings::Authenticate::Client => {
            // Before the body is waited for: without a certificate it would be read in vain.
            certificate(&arrived.connection)?;
            let limit = limits.client_id_body_bytes;
            announced(&arrived, u64::try_from(limit).unwrap_or(u64::MAX))?;
            let Arrived { head, body, connection, site, domain, authority, record } = arrived;
            let body = RequestBody::collect(body, limit, limits.body_timeout).await?;
            let id = client_id(&head, &body).map_err(Refusal::ClientId)?;
            *record.client_id.borrow_mut() = Some(id.to_string());
            let (certificate, now) = (certificate(&connection)?, now());
            let proof = judge_client(&site.trust, chains, certificate, &id, now).map_err(Refusal::Denied)?;
            proof.used(certificate, now);
            *record.credential.borrow_mut() = Some(proof.credential_name().to_owned());
            let body = RequestBody::buffered(body);
            return Ok(Authenticated {
                head,
                body,
                proof: Some(proof),
                connection,
                site,
                domain,
                authority,
                record,
            });
        }
        settings::Authenticate::Certificate => {
            let (certificate, now) = (certificate(&arrived.connection)?, now());
            let proof = judge_any(&arrived.site.trust, chains, certificate, now).map_err(Refusal::Denied)?;
            proof.used(certificate, now);
            note(&arrived, &proof);
            (Some(proof), limits.body_bytes)
        }
        settings::Authenticate::None => (None, limits.body_bytes),
    };
    announced(&arrived, body)?;
    let Arrived { head, body: incoming, connection, site, domain, authority, record } = arrived;
    let body = RequestBody::streaming(incoming, body, limits.body_timeout);
    Ok(Authenticated { head, body, proof, connection, site, domain, authority, record })
}

fn note(arrived: &Arrived, proof: &Proof) {
    *arrived.record.client_id.borrow_mut() = Some(proof.application.client_id.to_string());
    *arrived.record.credential.borrow_mut() = Some(proof.credential_name().to_owned());
}

impl<S> Service<Routed> for Authenticate<S>
where
    S: Service<Authenticated, Response = Response<ResponseBody>, Error = Refusal> + Clone + 'static,
{
    type Response = S::Response;
    type Error = Refusal;
    type Future = LocalFuture<S::Response, Refusal>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        let chains = Rc::clone(&self.chains);
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let authenticated = authenticate(&chains, routed).await?;
            inner.call(authenticated).await
        })
    }
}
