//! Examines the origins of one domain: the answers to requests with forged headers, beside those to the same requests without.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::{BodyExt, Limited};
use rustls::RootCertStore;
use tokio::time::timeout;

use super::{
    forged::{Forgery, NOT_VERIFIED},
    question::{Answer, Content, Outcome, Question},
};
use crate::{
    forward::{ClientTls, OriginPolicy, Pools, RequestBody, Target, TargetSpec},
    header::forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO},
    site::Domain,
    tls,
    vouch::{Profile, Verdict},
};

/// The longest response that is read.
const MAX_RESPONSE: usize = 64 * 1024;

/// What was found out about an origin.
#[derive(Debug)]
pub(super) struct Diagnosis {
    pub(super) domain: String,
    pub(super) upstream: String,
    pub(super) url: String,
    /// Method and path of the requests.
    pub(super) asked: String,
    /// What it gives to a client that it takes for authenticated.
    pub(super) gives: &'static str,
    /// The requests with forged headers.
    pub(super) tried: Tried,
    /// The answer to a request that nobody vouches for, by a client without the edge's certificate and secrets.
    pub(super) plain: Outcome,
    /// The answer to the request as the edge would send it.
    pub(super) edge: Outcome,
}

/// What came of requests with forged headers.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// How many were sent.
    pub(super) sent: usize,
    /// How many of them got no answer: nothing is known of these.
    pub(super) unanswered: usize,
    /// Why the first of those got none.
    pub(super) failure: Option<String>,
    /// The first answer that differs most from that to a request without them: a success before another difference.
    pub(super) forged: Option<Forged>,
}

/// An answer to forged headers.
#[derive(Debug)]
pub(super) struct Forged {
    pub(super) profile: String,
    pub(super) client_id: String,
    pub(super) answer: Answer,
}

/// How bad a diagnosis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Forged headers changed nothing, and those of the edge do.
    Refuses,
    /// The requests do not show it.
    Unknown,
    /// Forged headers got what was asked for.
    Believes,
    /// A request without any credential got an access token: nothing need be forged.
    Open,
}

impl Diagnosis {
    pub(super) fn severity(&self) -> Severity {
        match (&self.plain, &self.tried.forged, &self.edge) {
            (Ok(plain), ..) if plain.content == Content::Token => Severity::Open,
            // A page may be public.
            (Ok(plain), ..) if plain.is_success() => Severity::Unknown,
            (_, Some(forged), _) if forged.answer.is_success() => Severity::Believes,
            (_, None, Ok(edge)) if edge.is_success() && self.tried.unanswered == 0 => Severity::Refuses,
            _ => Severity::Unknown,
        }
    }
}

/// The examination of one domain's upstream.
pub(super) struct Surgery<'a> {
    pools: &'a Pools,
    domain: &'a Domain,
    question: Question,
    forgeries: &'a [Forgery],
    /// The upstream as somebody without the edge's certificate and secrets reaches it.
    stranger: Arc<Target>,
}

impl<'a> Surgery<'a> {
    /// # Errors
    ///
    /// If TLS cannot be set up without the edge's certificate.
    pub(super) fn new(
        pools: &'a Pools,
        domain: &'a Domain,
        question: Question,
        forgeries: &'a [Forgery],
    ) -> Result<Self, rustls::Error> {
        let spec = &domain.target.spec;
        let without_certificate = |tls: &ClientTls| {
            let roots = RootCertStore { roots: tls.roots.clone() };
            let config = Arc::new(tls::client_config(roots, None, &[b"h2", b"http/1.1"])?);
            Ok::<_, rustls::Error>(ClientTls {
                config,
                roots: tls.roots.clone(),
                has_system_roots: tls.has_system_roots,
                identity: None,
            })
        };
        let stranger = Target::new(TargetSpec {
            name: spec.name.clone(),
            origins: spec.origins.clone(),
            host: spec.host.clone(),
            headers: HeaderMap::new(),
            client_ip_header: None,
            forwarded: false,
            forwarded_for: None,
            tls: spec.tls.as_ref().map(without_certificate).transpose()?,
            server_name: spec.server_name.clone(),
            limits: spec.limits,
            policy: OriginPolicy::default(),
        });
        Ok(Self { pools, domain, question, forgeries, stranger: Arc::new(stranger) })
    }

    /// One diagnosis per origin.
    pub(super) async fn examine(&self) -> Vec<Diagnosis> {
        let mut diagnoses = Vec::new();
        for (index, origin) in self.stranger.spec.origins.iter().enumerate() {
            let Some(first) = self.forgeries.first() else { break };
            let mut plain = self.send(&self.stranger, index, first, &[]).await;
            let tried = match &plain {
                // Forged headers show nothing if there is a success without them.
                Ok(plain) if !plain.is_success() => self.forge(index, plain).await,
                _ => Tried::default(),
            };
            // One application may be public at the server, which needs no headers then.
            if let Some(forged) = tried.forged.as_ref().filter(|forged| forged.answer.is_success())
                && let Some(forgery) = self.forgeries.iter().find(|one| one.client_id == forged.client_id)
                && let answer @ Ok(Answer { content: Content::Token, .. }) =
                    self.send(&self.stranger, index, forgery, &[]).await
            {
                plain = answer;
            }
            let ours = first.headers(&self.domain.profile, first.verdict).unwrap_or_default();
            let edge = self.send(&self.domain.target, index, first, &ours).await;
            diagnoses.push(Diagnosis {
                domain: self.domain.name.to_string(),
                upstream: self.stranger.spec.name.clone(),
                url: origin.url(),
                asked: self.question.to_string(),
                gives: self.question.gives(),
                tried,
                plain,
                edge,
            });
        }
        diagnoses
    }

    /// Sends every forgery until one succeeds.
    async fn forge(&self, index: usize, plain: &Answer) -> Tried {
        let built_in = Profile::built_in_names().iter().filter_map(|name| Profile::built_in(name));
        let others = built_in.filter(|profile| !profile.is_same(&self.domain.profile));
        let profiles: Vec<Profile> = std::iter::once(self.domain.profile.clone()).chain(others).collect();
        let mut tried = Tried::default();
        for forgery in self.forgeries {
            for profile in &profiles {
                for verdict in [Verdict::Verified, NOT_VERIFIED] {
                    let Some(headers) = forgery.headers(profile, verdict) else { continue };
                    tried.sent += 1;
                    let answer = match self.send(&self.stranger, index, forgery, &headers).await {
                        Ok(answer) if answer == *plain => continue,
                        Ok(answer) => answer,
                        Err(why) => {
                            tried.unanswered += 1;
                            tried.failure.get_or_insert(why);
                            continue;
                        }
                    };
                    let is_success = answer.is_success();
                    let found = Forged {
                        profile: profile.name().to_owned(),
                        client_id: forgery.client_id.clone(),
                        answer,
                    };
                    if is_success {
                        return Tried { forged: Some(found), ..tried };
                    }
                    tried.forged.get_or_insert(found);
                }
            }
        }
        tried
    }

    async fn send(
        &self,
        target: &Arc<Target>,
        origin: usize,
        forgery: &Forgery,
        vouching: &[(http::HeaderName, HeaderValue)],
    ) -> Outcome {
        let limit = target.spec.limits.connect_timeout + target.spec.limits.response_timeout;
        let request = self.request(target, forgery, vouching).ok_or("the request cannot be encoded")?;
        let exchange = async {
            let response = self.pools.send_to(target, origin, request).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_RESPONSE).collect().await.map_err(|error| error.to_string())?;
            Ok(Answer { status: head.status, content: self.question.content(head.status, &body.to_bytes()) })
        };
        timeout(limit, exchange).await.unwrap_or_else(|_| Err(format!("no response within {limit:?}")))
    }

    fn request(
        &self,
        target: &Target,
        forgery: &Forgery,
        vouching: &[(http::HeaderName, HeaderValue)],
    ) -> Option<Request<RequestBody>> {
        let host = target.spec.host.clone().unwrap_or_else(|| self.domain.authority.clone());
        let mut request = self.question.request(&forgery.client_id)?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("127.0.0.1"));
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
        headers.insert(X_FORWARDED_HOST, self.domain.authority.clone());
        headers.extend(target.spec.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers.extend(vouching.iter().cloned());
        Some(request)
    }
}
