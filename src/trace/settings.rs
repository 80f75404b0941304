//! What `[traces]` configures.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, uri::PathAndQuery};

use super::Sampler;
use crate::forward::Target;

/// What is exported, and how often. The defaults are those of `[traces]` in the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSpec {
    /// The share of traces that begin here and are sampled, from 0 to 1.
    pub sample: f64,
    /// `service.name` of the edge.
    pub service: String,
    /// Further attributes of the edge as a resource, by name.
    pub resource: Vec<(String, String)>,
    /// How long spans are collected, unless a batch is complete before.
    pub interval: Duration,
    /// For one export.
    pub timeout: Duration,
}

impl Default for TraceSpec {
    fn default() -> Self {
        Self {
            sample: 0.01,
            service: "mtls-edge".to_owned(),
            resource: Vec::new(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
        }
    }
}

/// Traces, ready to be sampled and exported.
#[derive(Debug, PartialEq)]
pub struct Traces {
    /// Decides about traces that begin here.
    pub sampler: Sampler,
    /// The settings.
    pub spec: TraceSpec,
    /// The collector, with the headers that it asks for.
    pub target: Arc<Target>,
    /// Where the collector takes traces.
    pub path: PathAndQuery,
    /// The collector's `Host`.
    pub host: HeaderValue,
}
