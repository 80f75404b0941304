//! Authentication of a request, under the trust that is active now.

use std::{
    rc::Rc,
    sync::Arc,
    task::{self, Poll},
};

use futures_util::future::Either;
use http::{Response, header};
use tower::Service;

use super::{Authenticated, Context, Received, Refusal, WorkerParts, challenge::is_decoded_client_id};
use crate::{
    access_token::TokenRefusal,
    authenticate::{
        AssertionRules, Attempt, Basis, Denial, Mechanism, Presented, Proof, client_id, judge_any,
        judge_client,
    },
    forward::{Caller, ResponseBody},
    identity::IdentityError,
    oauth::{ParameterError, Parameters},
    site,
};

/// Judges each request in the way that its route requires.
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    parts: Rc<WorkerParts>,
}

impl<S> Authenticate<S> {
    pub(super) const fn new(inner: S, parts: Rc<WorkerParts>) -> Self {
        Self { inner, parts }
    }

    /// Judges a request, and counts it to the client that it authenticates.
    fn admit(&self, context: &Context, route: &site::Route) -> Result<Option<Proof>, Refusal> {
        let proof = self.judge(context, route)?;
        if let Some(Proof { application, is_authenticated: true, .. }) = &proof
            && let Some(rate) = context.site.limits.rate_of_application(application.requests_per_second)
        {
            let taken = self.parts.rates.applications.take(application.client_id.as_str(), rate);
            taken.map_err(Refusal::ApplicationRate)?;
        }
        Ok(proof)
    }

    /// The proof of the client's identity; `None` if the route does not authenticate, or forwards an unknown client.
    fn judge(&self, context: &Context, route: &site::Route) -> Result<Option<Proof>, Refusal> {
        match route.authenticate {
            site::Authenticate::None => Ok(None),
            site::Authenticate::Client => self.judge_client(context),
            site::Authenticate::Certificate => self.judge_certificate(context).map(Some),
            // The token was verified before the body was read.
            site::Authenticate::Token(_) => Err(Refusal::Token(TokenRefusal::Missing)),
        }
    }

    /// The certificate that was presented in the handshake, or why it cannot be parsed.
    fn presented<'a>(&'a self, context: &'a Context) -> Option<Result<Presented<'a>, &'a IdentityError>> {
        let identity = context.connection.identity.as_ref()?;
        Some(identity.presented(&self.parts.identities.refusals))
    }

    fn judge_client(&self, context: &Context) -> Result<Option<Proof>, Refusal> {
        let Context { head, connection, site, domain, record, parameters, .. } = context;
        let parameters: &Parameters =
            parameters.as_ref().ok_or(Refusal::Parameter(ParameterError::NoClient))?;
        let id = client_id(parameters).map_err(Refusal::Parameter)?;
        record.client_id.replace(Some(id.clone()));
        let mechanism = Mechanism::of(&head.headers, parameters).map_err(Refusal::Mechanism)?;
        let now = self.parts.clock.now();
        // A certificate gives the same proof again; other credentials are judged for each request.
        if mechanism == Mechanism::Certificate
            && let Some(identity) = &connection.identity
            && let Some(proof) = identity.proof(&site.trust, &id, now)
        {
            proof.record_use(identity.certificate.as_ref().ok(), now);
            return Ok(Some(proof));
        }
        let presented = self.presented(context);
        let assertions = AssertionRules {
            issuer: domain.issuer.as_ref(),
            fapi: domain.security_profile.is_some(),
            used: &self.parts.replay,
            limit: site.limits.assertion_ids,
        };
        let attempt = Attempt { client_id: &id, mechanism, presented, assertions, now };
        let Some(proof) = judge_client(&site.trust, attempt).map_err(Refusal::Denied)? else {
            // It is forwarded, unless a server could read a registered client instead.
            let authorization = head.headers.get(header::AUTHORIZATION);
            return if authorization.is_some_and(is_decoded_client_id) {
                Err(Refusal::Denied(Denial::UnknownClientBy(id, mechanism.name())))
            } else {
                Ok(None)
            };
        };
        let certificate = presented.and_then(Result::ok).map(|presented| presented.certificate);
        proof.record_use(certificate, now);
        if mechanism == Mechanism::Certificate
            && let Some(identity) = connection.identity.as_ref().filter(|_| proof.is_authenticated)
        {
            self.parts.identities.remember(identity, &site.trust, &proof);
        }
        Ok(Some(proof))
    }

    fn judge_certificate(&self, context: &Context) -> Result<Proof, Refusal> {
        let Context { connection, site, .. } = context;
        let presented = match self.presented(context) {
            Some(Ok(presented)) => presented,
            Some(Err(error)) => return Err(Refusal::Denied(Denial::Unreadable(error.clone()))),
            None => return Err(Refusal::Denied(Denial::NoCertificate)),
        };
        let now = self.parts.clock.now();
        let proof = judge_any(&site.trust, presented, now).map_err(Refusal::Denied)?;
        proof.record_use(Some(presented.certificate), now);
        if let Some(identity) = &connection.identity {
            self.parts.identities.remember(identity, &site.trust, &proof);
        }
        Ok(proof)
    }
}

impl<S> Service<Received> for Authenticate<S>
where
    S: Service<Authenticated, Response = Response<ResponseBody>, Error = Refusal>,
{
    type Response = S::Response;
    type Error = Refusal;
    type Future = Either<S::Future, std::future::Ready<Result<S::Response, Refusal>>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Refusal>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, Received { context, body, route }: Received) -> Self::Future {
        if let (site::Authenticate::Token(_), Some(token)) = (route.authenticate, context.token) {
            let caller = Caller::Authenticated;
            // What the token is bound to is the thumbprint, whatever the issuer of the certificate.
            let certificate = token.to_certificate.then_some(Basis::Thumbprint);
            let authenticated =
                Authenticated { context, body, route, application: None, certificate, caller };
            return Either::Left(self.inner.call(authenticated));
        }
        match self.admit(&context, &route) {
            Ok(None) => {
                let caller = Caller::Anonymous;
                let (application, certificate) = (None, None);
                Either::Left(self.inner.call(Authenticated {
                    context,
                    body,
                    route,
                    application,
                    certificate,
                    caller,
                }))
            }
            Ok(Some(Proof { application, credential, is_authenticated, certificate, valid: _ })) => {
                context.record.authenticated.replace(Some((Arc::clone(&application), credential)));
                let caller = if is_authenticated { Caller::Authenticated } else { Caller::Anonymous };
                let application = Some(application);
                Either::Left(self.inner.call(Authenticated {
                    context,
                    body,
                    route,
                    application,
                    certificate,
                    caller,
                }))
            }
            Err(refusal) => Either::Right(std::future::ready(Err(refusal))),
        }
    }
}
