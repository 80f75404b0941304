//! Asks issuers about access tokens: few at once, each token once however many requests wait for it.

mod places;

pub(super) use places::{Asker, Standing};

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt, Limited};
use tokio::{sync::watch, time::timeout};

use self::places::{Place, Places};
use crate::{
    access_token::{Facts, InvalidToken, TokenHash, TokenRefusal, introspected, introspection_form},
    clock::Clock,
    forward::{Caller, Pools, RequestBody, ResponseBody, ResponseError, Tried},
    observe::metrics::{Introspection, Recorder},
    site::{IntrospectionEndpoint, TokenIssuer},
};

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
    /// The places of each issuer that is asked now, so that one that does not respond takes none from others.
    places: Rc<RefCell<HashMap<IssuerAddress, Weak<Places>>>>,
    /// The tokens that are asked about now.
    asked: Rc<RefCell<HashMap<(IssuerAddress, TokenHash), Answer>>>,
}

/// An issuer by its address, which is in use as long as an entry with it.
type IssuerAddress = usize;

impl Introspector {
    pub(super) fn new(clock: &Clock, pools: &Rc<Pools>, metrics: &Recorder) -> Self {
        Self {
            clock: clock.clone(),
            pools: Rc::clone(pools),
            metrics: metrics.clone(),
            places: Rc::default(),
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
        (issuer, endpoint): (&Arc<TokenIssuer>, &IntrospectionEndpoint),
        (token, hash): (&str, TokenHash),
        asker: impl FnOnce() -> Asker,
    ) -> Result<Result<Facts, InvalidToken>, TokenRefusal> {
        let key = (Arc::as_ptr(issuer) as usize, hash);
        let known = self.asked.borrow().get(&key).cloned();
        let mut said = if let Some(said) = known {
            said
        } else {
            let place = self.places_of(key.0).take(asker());
            let place = place.map_err(|refused| TokenRefusal::Busy(refused.to_string()))?;
            self.start(key, place, (issuer, endpoint), token)
        };
        // The sender is dropped only after it has sent.
        let said = said.wait_for(Option::is_some).await.ok().and_then(|said| said.clone());
        let said = said.unwrap_or_else(|| Err("the introspection ended early".into()));
        said.map_err(|why| TokenRefusal::Unavailable(why.to_string()))
    }

    fn places_of(&self, issuer: IssuerAddress) -> Rc<Places> {
        let mut places = self.places.borrow_mut();
        if let Some(places) = places.get(&issuer).and_then(Weak::upgrade) {
            return places;
        }
        // Every place has a strong reference: these issuers are asked nothing now.
        places.retain(|_, places| places.strong_count() > 0);
        let of_issuer = Rc::default();
        places.insert(issuer, Rc::downgrade(&of_issuer));
        of_issuer
    }

    fn start(
        &self,
        key: (IssuerAddress, TokenHash),
        place: Place,
        (issuer, endpoint): (&Arc<TokenIssuer>, &IntrospectionEndpoint),
        token: &str,
    ) -> Answer {
        let (sender, receiver) = watch::channel(None);
        self.asked.borrow_mut().insert(key, receiver.clone());
        let (this, issuer, limit) = (self.clone(), Arc::clone(issuer), endpoint.timeout);
        let request = request(endpoint, token);
        let target = Arc::clone(&endpoint.target);
        tokio::task::spawn_local(async move {
            let asked = async {
                let _in_flight = place.in_flight().await;
                let (tried, caller) = (Tried::default(), Caller::Authenticated);
                let response = this.pools.send(&target, &mut Some(request), caller, &tried, None).await;
                let response = response.map_err(|error| error.to_string())?;
                let body = usable_body(response, |status, error| {
                    if let Some(origin) = tried.last() {
                        target.record_broken_off(origin, status, error);
                    }
                });
                let body = body.await?;
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
            drop(place);
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

async fn usable_body(
    response: Response<ResponseBody>,
    on_broken_off: impl FnOnce(StatusCode, &ResponseError),
) -> Result<Bytes, String> {
    let status = response.status();
    if status != StatusCode::OK {
        return Err(format!("the server responded with {status}, expected 200"));
    }
    let body = Limited::new(response.into_body(), MAX_RESPONSE).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if let Some(broken_off) = error.downcast_ref::<ResponseError>() {
            on_broken_off(status, broken_off);
        }
        format!("the response cannot be read: {error}")
    })
}

/// How long a valid token is remembered at most.
pub(super) const REMEMBERED: Duration = Duration::from_secs(30);
/// How long an invalid token is remembered.
pub(super) const REMEMBERED_INVALID: Duration = Duration::from_secs(5);
