//! Loads what the export of traces takes from files and the environment.

use std::sync::Arc;

use http::{HeaderValue, uri::PathAndQuery};

use super::{
    secret::load_headers,
    upstream::{TlsPlace, client_tls},
};
use crate::{
    config::{
        Problem,
        settings::{self, Url},
    },
    forward::{Address, OriginPolicy, Target, TargetSpec, UpstreamLimits},
    site::Site,
    trace::{Sampler, Traces},
};

/// Loads the collector; an unchanged one is that of `previous`. Problems are reported.
pub(super) fn load_traces(
    settings: &settings::Traces,
    previous: Option<&Site>,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Traces>> {
    let settings::Traces { endpoint, spec, headers, ca } = settings;
    let Url { origin, target } = &endpoint.value;
    let headers = load_headers(headers, "traces.headers", problems);
    let tls = origin.tls.then(|| {
        let place = TlsPlace { ca: ca.as_ref(), otherwise: &endpoint.span, key: "traces.ca" };
        client_tls(&place, None, problems).ok_or(())
    });
    let collector = Target::new(TargetSpec {
        name: format!("collector at {}", endpoint.value),
        origins: vec![Address::Network(origin.clone())],
        host: None,
        headers,
        client_ip_header: None,
        forwarded: false,
        forwarded_for: None,
        tls: tls.transpose().ok()?,
        server_name: None,
        limits: UpstreamLimits { response_timeout: spec.timeout, ..UpstreamLimits::default() },
        policy: OriginPolicy::default(),
    });
    let active = previous.and_then(|previous| previous.traces.as_ref()).map(|traces| &traces.target);
    let active = active.filter(|active| ***active == collector).cloned();
    Some(Arc::new(Traces {
        sampler: Sampler::new(spec.sample),
        spec: spec.clone(),
        target: active.unwrap_or_else(|| Arc::new(collector)),
        path: PathAndQuery::try_from(target.as_str()).ok()?,
        host: HeaderValue::try_from(origin.authority()).ok()?,
    }))
}
