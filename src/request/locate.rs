//! Routing: the path selects the route, which allows or refuses the method.

use std::{
    rc::Rc,
    sync::Arc,
    task::{self, Poll},
};

use futures_util::future::Either;
use http::Response;
use tower::Service;

use super::{Arrived, Context, Refusal, Routed, WorkerParts};
use crate::{
    forward::ResponseBody,
    oauth::PARAMETERS,
    site::{Domain, Route},
};

/// Finds the route, or refuses with 404 or 405, or with 400 if the query overrides the method.
#[derive(Clone, Debug)]
pub struct Locate<S> {
    inner: S,
    parts: Rc<WorkerParts>,
}

impl<S> Locate<S> {
    pub(super) const fn new(inner: S, parts: Rc<WorkerParts>) -> Self {
        Self { inner, parts }
    }
}

/// Records the route of a request, and where its requests are counted.
pub(super) fn record(parts: &WorkerParts, context: &Context, route: &Arc<Route>) {
    let (generation, address) = (context.site.generation.number(), Arc::as_ptr(route) as usize);
    let series = parts.metrics.traffic().of_route(generation, address, || {
        let Domain { name, target, .. } = &*context.domain;
        [name.to_string(), route.path().to_owned(), target.spec.name.clone()]
    });
    context.record.series.set(Some(series));
    context.record.routed.replace(Some((Arc::clone(&context.domain), Arc::clone(route))));
}

impl<S> Service<Arrived> for Locate<S>
where
    S: Service<Routed, Response = Response<ResponseBody>, Error = Refusal>,
{
    type Response = S::Response;
    type Error = Refusal;
    type Future = Either<S::Future, std::future::Ready<Result<S::Response, Refusal>>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Refusal>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, Arrived { context, body }: Arrived) -> Self::Future {
        // The route was matched by the method; an upstream that takes the method from the query would serve another one.
        if context.head.uri.query().is_some_and(|query| PARAMETERS.overrides_method(query)) {
            return Either::Right(std::future::ready(Err(Refusal::MethodOverride)));
        }
        match context.domain.routes.find(&context.head.method, context.head.uri.path()) {
            Ok(route) => {
                let route = Arc::clone(route);
                record(&self.parts, &context, &route);
                Either::Left(self.inner.call(Routed { context, body, route }))
            }
            Err(error) => Either::Right(std::future::ready(Err(error.into()))),
        }
    }
}
