//! The request pipeline: a stack of tower services for one connection.
//!
//! [`Admit`] → [`Locate`] → [`Read`] → [`Authenticate`] → [`CheckRequest`] → [`Vouch`] → [`Forward`]. Each takes the type that the previous one
//! makes ([`Arrived`], [`Routed`], [`Received`], [`Authenticated`], [`Outbound`]), so that no step can be omitted or repeated.
//! Their error is a [`Refusal`]; [`Respond`], the outermost, turns it into an OAuth error. The
//! [`AccessEntry`] of its answer writes the access log once the response has ended.

mod access_entry;
mod access_token;
mod admit;
mod answer;
mod authenticate;
mod body_memory;
mod challenge;
mod check_request;
mod connection;
mod forward;
mod identity;
mod identity_cache;
mod inbound;
mod introspect;
mod locate;
mod read;
mod refusal;
mod request_id;
mod respond;
mod spans;
mod token_challenge;
mod trace_context;
mod tracer;
mod vouch;

pub use access_entry::AccessEntry;
pub use access_token::TokenVerifier;
pub use admit::Admit;
pub use answer::{Answer, Answering};
pub use authenticate::Authenticate;
pub use body_memory::BodyMemory;
pub use check_request::CheckRequest;
pub(crate) use connection::counted_network;
pub use connection::{BrokenOff, ClientAddress, Connection, Negotiated};
pub use forward::Forward;
pub use identity::{ClientIdentity, Headers, vouching_headers};
pub use identity_cache::IdentityCache;
pub use locate::Locate;
pub use read::{Read, StrangerBodies};
pub use refusal::Refusal;
pub use respond::Respond;
pub use tracer::Tracer;
pub use vouch::Vouch;

use std::{rc::Rc, sync::Arc};

use http::{HeaderValue, Request, request::Parts};

use crate::{
    access_token::Bound,
    authenticate::Basis,
    forward::{Caller, IncomingBody, RequestBody},
    oauth::Parameters,
    rate::Buckets,
    site::{Domain, Route, Site, SiteHandle},
    trust::Application,
};

/// The state of a request in the pipeline. Boxed, so that it is not copied from service to service.
#[derive(Debug)]
pub struct Context {
    /// Method, target and headers.
    pub head: Parts,
    /// The connection on which it arrived.
    pub connection: Rc<Connection>,
    /// The snapshot by which the whole request is judged.
    pub site: Arc<Site>,
    /// The requested domain.
    pub domain: Arc<Domain>,
    /// The authority that the client requested: the domain, with the port if that is not 443.
    pub authority: HeaderValue,
    /// The record for the access log.
    pub record: Rc<inbound::Record>,
    /// The parameters, once they are parsed; `None` if the route needs none.
    pub parameters: Option<Parameters>,
    /// How the access token is bound, once it is verified; `None` if the route needs none.
    pub token: Option<Bound>,
}

/// A request whose authority is the connection's domain.
#[derive(Debug)]
pub struct Arrived {
    /// Everything but the body.
    pub context: Box<Context>,
    /// The unread body.
    pub body: IncomingBody,
}

/// A request whose path and method match a route.
#[derive(Debug)]
pub struct Routed {
    /// Everything but the body.
    pub context: Box<Context>,
    /// The unread body.
    pub body: IncomingBody,
    /// The matching route.
    pub route: Arc<Route>,
}

/// A request whose parameters are parsed, if its route needs them.
#[derive(Debug)]
pub struct Received {
    /// Everything but the body.
    pub context: Box<Context>,
    /// The buffered body if the parameters are parsed, else the body to stream.
    pub body: RequestBody,
    /// The matching route.
    pub route: Arc<Route>,
}

/// A request that is authenticated, if its route requires that.
#[derive(Debug)]
pub struct Authenticated {
    /// Everything but the body.
    pub context: Box<Context>,
    /// The buffered or streamed body.
    pub body: RequestBody,
    /// The matching route.
    pub route: Arc<Route>,
    /// The application that the request names; `None` if the route does not authenticate clients, or the client is unknown.
    pub application: Option<Arc<Application>>,
    /// What was verified about the connection's certificate; `None` if it is not vouched for.
    pub certificate: Option<Basis>,
    /// Whether the edge has authenticated the client.
    pub caller: Caller,
}

/// A request that is ready to be sent upstream.
#[derive(Debug)]
pub struct Outbound {
    /// The request, with its target in origin form and the authority in `Host`.
    pub request: Request<RequestBody>,
    /// The domain, which selects the upstream.
    pub domain: Arc<Domain>,
    /// Whether the client is authenticated, for limits and priorities.
    pub caller: Caller,
    /// The record for metrics.
    pub record: Rc<inbound::Record>,
}

/// The service stack of one connection.
pub type Stack = Respond<Admit<Locate<Read<Authenticate<CheckRequest<Vouch<Forward>>>>>>>;

/// Builds the service stack of one connection.
#[must_use]
pub fn stack(connection: &Rc<Connection>, site: &SiteHandle, parts: &Rc<WorkerParts>) -> Stack {
    use tower::layer::layer_fn;
    tower::ServiceBuilder::new()
        .layer(layer_fn(|inner| Respond::new(inner, Rc::clone(parts), Rc::clone(connection))))
        .layer(layer_fn(|inner| Admit::new(inner, Arc::clone(site), Rc::clone(connection), Rc::clone(parts))))
        .layer(layer_fn(|inner| Locate::new(inner, Rc::clone(parts))))
        .layer(layer_fn(|inner| Read::new(inner, Arc::clone(site), Rc::clone(parts))))
        .layer(layer_fn(|inner| Authenticate::new(inner, Rc::clone(parts))))
        .layer(layer_fn(|inner| CheckRequest::new(inner, Rc::clone(parts))))
        .layer(layer_fn(Vouch::new))
        .service(Forward::new(Rc::clone(parts)))
}

/// The requests that clients have sent.
#[derive(Debug, Default)]
pub struct Rates {
    /// By client network.
    pub addresses: Buckets,
    /// By `client_id`, of clients that have authenticated: nobody else uses up their share.
    pub applications: Buckets,
}

/// What all connections of a worker share.
#[derive(Debug)]
pub struct WorkerParts {
    /// Cached clients.
    pub identities: Rc<IdentityCache>,
    /// Limits the bodies of strangers that are read at once.
    pub stranger_bodies: StrangerBodies,
    /// The clock by which certificates are judged.
    pub clock: crate::clock::Clock,
    /// The worker's upstream connections.
    pub pools: Rc<crate::forward::Pools>,
    /// Memory of buffered bodies, counted over all workers.
    pub bodies: Arc<BodyMemory>,
    /// Verifies access tokens.
    pub tokens: Rc<TokenVerifier>,
    /// The used `jti` values of assertions, of all workers.
    pub replay: Arc<crate::replay::ReplayStore>,
    /// The requests that addresses and applications have sent, to all workers.
    pub rates: Arc<Rates>,
    /// The active site.
    pub site: SiteHandle,
    /// Begins and ends the traces of requests.
    pub tracer: Tracer,
    /// The worker's metrics.
    pub metrics: crate::observe::metrics::Recorder,
}

/// The future of a service, which stays on its thread.
type LocalFuture<T, E> = std::pin::Pin<Box<dyn Future<Output = Result<T, E>>>>;
