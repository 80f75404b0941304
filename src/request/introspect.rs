//! Asks issuers about access tokens: few at once, each token once however many requests wait for it.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt, Limited};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::{
    access_token::{Facts, InvalidToken, TokenHash, introspected, introspection_form},
    clock::Clock,
    forward::{Caller, Pools, RequestBody},
    observe::metrics::{Introspection, Recorder},
    site::{IntrospectionEndpoint, TokenIssuer},
};

/// The most requests in flight of a worker.
const IN_FLIGHT: usize = 16;
/// The most tokens that a worker asks about at the same time, in flight or waiting for it.
const WAITING: usize = 512;
/// The maximum length of a response in bytes.
const MAX_RESPONSE: usize = 64 * 1024;

/// What the issuer says about a token, or why it cannot be asked.
pub(super) type Said = Result<Result<Facts, InvalidToken>, Rc<str>>;

/// `None` until the issuer has answered.
type Answer = watch::Receiver<Option<Said>>;

/// Asks issuers for one worker.
#[derive(Clone, Debug)]
pub(super) struct Introspector {
    clock: Clock,
    pools: Rc<Pools>,
    metrics: Recorder,
    places: Rc<Semaphore>,
    /// The tokens that are asked about now. The issuer is part of the key by its address, which is in use as long as the entry.
    asked: Rc<RefCell<HashMap<(usize, TokenHash), Answer>>>,
}

impl Introspector {
    pub(super) fn new(clock: &Clock, pools: &Rc<Pools>, metrics: &Recorder) -> Self {
        Self {
            clock: clock.clone(),
            pools: Rc::clone(pools),
            metrics: metrics.clone(),
            places: Rc::new(Semaphore::new(IN_FLIGHT)),
            asked: Rc::default(),
        }
    }

    /// Asks about a token. The request goes on even if the client that caused it does not wait, since others may.
    ///
    /// # Errors
    ///
    /// If the issuer gave no usable response in time, or too many tokens are asked about.
    pub(super) async fn ask(
        &self,
        issuer: &Arc<TokenIssuer>,
        endpoint: &IntrospectionEndpoint,
        token: &str,
        hash: TokenHash,
    ) -> Said {
        let key = (Arc::as_ptr(issuer) as usize, hash);
        let known = self.asked.borrow().get(&key).cloned();
        let mut said = match known {
            Some(said) => said,
            None if self.asked.borrow().len() >= WAITING => {
                return Err("too many introspections at once".into());
            }
            None => self.start(key, issuer, endpoint, token),
        };
        // The sender is dropped only after it has sent.
        let said = said.wait_for(Option::is_some).await.ok().and_then(|said| said.clone());
        said.unwrap_or_else(|| Err("the introspection ended early".into()))
    }

    fn start(
        &self,
        key: (usize, TokenHash),
        issuer: &Arc<TokenIssuer>,
        endpoint: &IntrospectionEndpoint,
        token: &str,
    ) -> Answer {
        let (sender, receiver) = watch::channel(None);
        self.asked.borrow_mut().insert(key, receiver.clone());
        let (this, issuer, limit) = (self.clone(), Arc::clone(issuer), endpoint.timeout);
        let request = request(endpoint, token);
        let target = Arc::clone(&endpoint.target);
        tokio::task::spawn_local(async move {
            let asked = async {
                let _place = this.places.acquire().await;
                let response = this.pools.send(&target, request, Caller::Authenticated).await;
                let response = response.map_err(|error| error.to_string())?;
                let body = usable_body(response.status(), response.into_body()).await?;
                introspected(&body, &issuer.rules, this.clock.now()).map_err(|error| error.to_string())
            };
            let said = match timeout(limit, asked).await {
                Ok(Ok(said)) => Ok(said),
                Ok(Err(why)) => Err(format!("{}: {why}", target.spec.name).into()),
                Err(_) => Err(format!("{}: no response within {limit:?}", target.spec.name).into()),
            };
            this.metrics.introspections.increment(match &said {
                Ok(Ok(_)) => Introspection::Valid,
                Ok(Err(_)) => Introspection::Invalid,
                Err(_) => Introspection::Failed,
            });
            this.asked.borrow_mut().remove(&key);
            sender.send_replace(Some(said));
        });
        receiver
    }
}

/// The request of RFC 7662 section 2.1.
fn request(endpoint: &IntrospectionEndpoint, token: &str) -> Request<RequestBody> {
    let form = Bytes::from(introspection_form(token));
    let length = HeaderValue::from(form.len());
    let mut request = Request::new(RequestBody::buffered(form));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(endpoint.path.clone());
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    headers.insert(header::HOST, endpoint.host.clone());
    headers.insert(header::AUTHORIZATION, endpoint.authorization.clone());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

async fn usable_body<B>(status: StatusCode, body: B) -> Result<Bytes, String>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if status != StatusCode::OK {
        return Err(format!("the server responded with {status}, expected 200"));
    }
    let body = Limited::new(body, MAX_RESPONSE).collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| format!("the response cannot be read: {error}"))
}

/// How long a valid token is remembered at most.
pub(super) const REMEMBERED: Duration = Duration::from_secs(30);
/// How long an invalid token is remembered.
pub(super) const REMEMBERED_INVALID: Duration = Duration::from_secs(5);
