//! A request's way after the handshake: a stack of tower services, each with one job.
//!
//! [`Admit`] → [`Locate`] → [`Authenticate`] → [`Vouch`] → [`Forward`]. Each takes the type that the one before it
//! makes ([`Arrived`], [`Routed`], [`Authenticated`], [`Outbound`]), so that no step can be left out or taken twice.
//! Their error is a [`Refusal`]; [`Respond`], the outermost, turns it into an OAuth error and writes the access log.

mod admit;
mod authenticate;
mod challenge;
mod connection;
mod forward;
mod identity;
mod identity_cache;
mod inbound;
mod locate;
mod refusal;
mod request_id;
mod respond;
mod vouch;

pub use admit::Admit;
pub use authenticate::{Authenticate, StrangerBodies};
pub use connection::{ClientAddress, Connection};
pub use forward::Forward;
pub use identity::{ClientIdentity, Headers, LogFields};
pub use identity_cache::IdentityCache;
pub use locate::Locate;
pub use refusal::Refusal;
pub use respond::{Answer, Respond};
pub use vouch::Vouch;

use std::{rc::Rc, sync::Arc};

use http::{HeaderValue, Request, request::Parts};

use crate::{
    authenticate::Proof,
    forward::{Caller, Received, RequestBody},
    site::{Domain, Route, Site, SiteHandle},
};

/// What is known of a request whose authority is the connection's domain. It stays in one place on its way from service to service.
#[derive(Debug)]
pub struct Context {
    /// Method, target, headers.
    pub head: Parts,
    /// What it came by.
    pub connection: Rc<Connection>,
    /// The snapshot by which it is judged, from here to the end.
    pub site: Arc<Site>,
    /// The domain it asks.
    pub domain: Arc<Domain>,
    /// The authority by which the application called: the domain, with the port if that is not 443.
    pub authority: HeaderValue,
    /// What the access log will say.
    pub record: Rc<inbound::Record>,
}

/// A request whose authority is the connection's domain.
#[derive(Debug)]
pub struct Arrived {
    /// All but its body.
    pub context: Box<Context>,
    /// Not yet read.
    pub body: Received,
}

/// A request to a listed path, by a listed method.
#[derive(Debug)]
pub struct Routed {
    /// All but its body.
    pub context: Box<Context>,
    /// Not yet read.
    pub body: Received,
    /// Its rule.
    pub route: Arc<Route>,
}

/// A request whose client is proved, where its route asks for one.
#[derive(Debug)]
pub struct Authenticated {
    /// All but its body.
    pub context: Box<Context>,
    /// Buffered or to be streamed.
    pub body: RequestBody,
    /// Who calls; absent where the route authenticates nobody.
    pub proof: Option<Proof>,
}

/// A request that is fit to be sent upstream as it is.
#[derive(Debug)]
pub struct Outbound {
    /// The whole request: its target in origin form, the authority in `Host`.
    pub request: Request<RequestBody>,
    /// Where to.
    pub domain: Arc<Domain>,
    /// Whether an application was proved to have sent it.
    pub caller: Caller,
}

/// What every connection's stack is: given the worker's parts, a service for one connection.
pub type Stack = Respond<Admit<Locate<Authenticate<Vouch<Forward>>>>>;

/// Builds the stack for one connection.
#[must_use]
pub fn stack(connection: &Rc<Connection>, site: &SiteHandle, parts: &WorkerParts) -> Stack {
    use tower::layer::layer_fn;
    let pools = Rc::clone(&parts.pools);
    tower::ServiceBuilder::new()
        .layer(layer_fn(|inner| Respond::new(inner, parts.metrics.clone(), Rc::clone(connection))))
        .layer(layer_fn(|inner| Admit::new(inner, Arc::clone(site), Rc::clone(connection))))
        .layer(layer_fn(Locate::new))
        .layer(layer_fn(|inner| Authenticate::new(inner, Arc::clone(site), parts)))
        .layer(layer_fn(Vouch::new))
        .service(Forward::new(pools))
}

/// What the connections of one worker share.
#[derive(Clone, Debug)]
pub struct WorkerParts {
    /// Clients that have authenticated before.
    pub identities: Rc<IdentityCache>,
    /// Places for bodies of clients that no application can be.
    pub stranger_bodies: StrangerBodies,
    /// By which certificates are judged.
    pub clock: crate::clock::Clock,
    /// Upstream connections.
    pub pools: Rc<crate::forward::Pools>,
    /// What bodies take of memory, counted over all workers.
    pub buffered: Arc<crate::forward::BufferedBytes>,
    /// The worker's own metrics.
    pub metrics: crate::observe::metrics::Recorder,
}

/// Future of a service on one thread.
type LocalFuture<T, E> = std::pin::Pin<Box<dyn Future<Output = Result<T, E>>>>;
