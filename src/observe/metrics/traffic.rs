//! Requests by domain, route and status class, and how long they and their upstreams took.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    Outcome, WorkerMetrics,
    cells::{Buckets, Counters, Histogram, label, number},
    family::{Distribution, Families, Kind, Value},
    series::{self, ByAddress, Index},
};

/// The classes of a response's status.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

label! {
    /// Who has answered a request, and how: for [`Responses`]. The values are the classes of the status.
    pub enum Answer: "status" {
        /// The upstream, with 1xx or 2xx.
        Success = "2xx",
        /// The upstream, with 3xx.
        Redirection = "3xx",
        /// The upstream, with 4xx.
        ClientError = "4xx",
        /// The upstream, with 5xx.
        ServerError = "5xx",
        /// The edge, since no upstream has: 5xx.
        Failed = "5xx",
        /// The edge, which refuses the request, with 4xx.
        Refused = "4xx",
        /// The edge, which refuses the request, with 5xx.
        Unable = "5xx",
    }
}

impl Answer {
    const fn of(outcome: Outcome, status: u16) -> Self {
        match (outcome, status) {
            (Outcome::Forwarded, 0..300) => Self::Success,
            (Outcome::Forwarded, 300..400) => Self::Redirection,
            (Outcome::Forwarded, 400..500) => Self::ClientError,
            (Outcome::Forwarded, _) => Self::ServerError,
            (Outcome::UpstreamFailed, _) => Self::Failed,
            (_, 0..500) => Self::Refused,
            _ => Self::Unable,
        }
    }
}

/// How many requests were answered by an upstream, or should have been. Requests that the edge refuses do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Responses {
    /// With any status.
    pub all: u64,
    /// With 1xx to 3xx.
    pub successes: u64,
    /// With 5xx, by an upstream.
    pub server_errors: u64,
    /// With 5xx, by the edge, since no upstream has answered.
    pub failures: u64,
}

/// From what a token endpoint takes to what makes clients give up.
#[derive(Debug)]
pub(super) struct Durations;

impl Buckets for Durations {
    const BOUNDS: &'static [Duration] = &[
        Duration::from_millis(1),
        Duration::from_micros(2500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2500),
        Duration::from_secs(5),
        Duration::from_secs(10),
        Duration::from_secs(30),
    ];
}

/// One worker's requests on one route.
#[derive(Debug, Default)]
pub(super) struct RouteCells {
    requests: Counters<Answer>,
    duration: Histogram<Durations>,
}

/// One worker's requests to one upstream.
#[derive(Debug, Default)]
pub(super) struct UpstreamCells(Histogram<Durations>);

/// What one worker has counted, as the scrape sees it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    routes: series::Shared<RouteCells, 2>,
    upstreams: series::Shared<UpstreamCells, 1>,
}

/// Where requests of a route are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteSeries {
    route: Index,
    upstream: Index,
}

/// One worker's traffic, as the worker counts it.
#[derive(Debug)]
pub struct Local {
    shared: Arc<WorkerMetrics>,
    routes: series::Local<RouteCells, 2>,
    upstreams: series::Local<UpstreamCells, 1>,
    by_route: ByAddress<RouteSeries>,
}

impl Local {
    pub(super) fn of(shared: Arc<WorkerMetrics>) -> Self {
        Self {
            shared,
            routes: series::Local::default(),
            upstreams: series::Local::default(),
            by_route: ByAddress::default(),
        }
    }

    /// Where the requests of a route are counted: the route at this address, of the snapshot with this number, which the caller holds.
    /// `labels` are those of its domain, its path and its upstream.
    pub fn of_route(
        &self,
        generation: u64,
        address: usize,
        labels: impl FnOnce() -> [String; 3],
    ) -> RouteSeries {
        self.by_route.get(generation, address, || {
            let [domain, path, upstream] = labels();
            RouteSeries {
                route: self.routes.find([domain, path], &self.shared.traffic.routes),
                upstream: self.upstreams.find([upstream], &self.shared.traffic.upstreams),
            }
        })
    }

    /// Counts a request that was sent to its route's upstream, or refused on its route.
    pub fn count(
        &self,
        series: RouteSeries,
        (outcome, status): (Outcome, u16),
        duration: Duration,
        upstream: Option<Duration>,
    ) {
        self.routes.with(series.route, |cells| cells.count(Answer::of(outcome, status), duration));
        if let Some(upstream) = upstream {
            self.upstreams.with(series.upstream, |UpstreamCells(durations)| durations.observe(upstream));
        }
    }

    /// Counts a request of a domain that was refused before it had a route.
    pub fn count_without_route(&self, domain: &str, (outcome, status): (Outcome, u16), duration: Duration) {
        let route = self.routes.find([domain.to_owned(), String::new()], &self.shared.traffic.routes);
        self.routes.with(route, |cells| cells.count(Answer::of(outcome, status), duration));
    }
}

impl RouteCells {
    fn count(&self, answer: Answer, duration: Duration) {
        self.requests.increment(answer);
        self.duration.observe(duration);
    }
}

const REQUESTS: (&str, &str) =
    ("mtls_edge_route_requests_total", "Requests by domain, route and class of the response's status.");
const RESPONSES: (&str, &str) = (
    "mtls_edge_domain_responses_total",
    "Requests by domain that an upstream answered, or failed to answer, by result.",
);
const DURATION: (&str, &str) =
    ("mtls_edge_request_duration_seconds", "Time from a request's head to its response's head.");
const UPSTREAM_DURATION: (&str, &str) = (
    "mtls_edge_upstream_duration_seconds",
    "Time from sending a request to the head of the upstream's response, or to its failure.",
);

/// The durations of the requests on all routes together, and the responses of each domain.
pub(super) fn totals<'a>(
    workers: impl Iterator<Item = &'a Shared>,
) -> (Distribution, BTreeMap<String, Responses>) {
    let mut routes = BTreeMap::new();
    for worker in workers {
        worker.routes.gather(&mut routes);
    }
    let durations = Histogram::distribution(routes.values().flatten().map(|cells| &cells.duration));
    let mut domains = BTreeMap::<String, Responses>::new();
    for ([domain, _], cells) in routes {
        let counts = Counters::sums(cells.iter().map(|cells| &cells.requests));
        let responses = domains.entry(domain).or_default();
        let of = |answer| counts.get(answer as usize).copied().unwrap_or_default();
        let successes = of(Answer::Success) + of(Answer::Redirection);
        responses.successes += successes;
        responses.server_errors += of(Answer::ServerError);
        responses.failures += of(Answer::Failed);
        responses.all += successes + of(Answer::ClientError) + of(Answer::ServerError) + of(Answer::Failed);
    }
    (durations, domains)
}

impl Responses {
    /// How many had each result, by its name.
    const fn by_result(&self) -> [(&'static str, u64); 4] {
        let Self { all, successes, server_errors, failures } = *self;
        let client_errors = all.saturating_sub(successes + server_errors + failures);
        [
            ("success", successes),
            ("client_error", client_errors),
            ("server_error", server_errors),
            ("failed", failures),
        ]
    }
}

/// How long each upstream took.
pub(super) fn by_upstream<'a>(workers: impl Iterator<Item = &'a Shared>) -> BTreeMap<String, Distribution> {
    let mut upstreams = BTreeMap::new();
    for worker in workers {
        worker.upstreams.gather(&mut upstreams);
    }
    let durations =
        |cells: &[Arc<UpstreamCells>]| Histogram::distribution(cells.iter().map(|cells| &cells.0));
    upstreams.into_iter().map(|([upstream], cells)| (upstream, durations(&cells))).collect()
}

/// Sums the workers' traffic.
pub(super) fn collect<'a>(workers: impl Iterator<Item = &'a Shared> + Clone, families: &mut Families) {
    for (domain, responses) in totals(workers.clone()).1 {
        let family = families.family(RESPONSES.0, Kind::Counter, RESPONSES.1, &["domain", "result"]);
        for (result, count) in responses.by_result() {
            family.series.insert(vec![domain.clone(), result.to_owned()], number(count));
        }
    }
    let (mut routes, mut upstreams) = (BTreeMap::new(), BTreeMap::new());
    for worker in workers {
        worker.routes.gather(&mut routes);
        worker.upstreams.gather(&mut upstreams);
    }
    for (labels, cells) in routes {
        let family = families.family(REQUESTS.0, Kind::Counter, REQUESTS.1, &["domain", "route", "status"]);
        let counts = Counters::sums(cells.iter().map(|cells| &cells.requests));
        for class in CLASSES {
            let of_class = Answer::VALUES.iter().zip(&counts).filter(|(value, _)| **value == class);
            let count: u64 = of_class.map(|(_, count)| count).sum();
            let values = labels.iter().map(String::as_str).chain([class]);
            family.series.insert(values.map(str::to_owned).collect(), number(count));
        }
        let all = Histogram::distribution(cells.iter().map(|cells| &cells.duration));
        let family = families.family(DURATION.0, Kind::Histogram, DURATION.1, &["domain", "route"]);
        family.series.insert(labels.to_vec(), Value::Distribution(all));
    }
    for (labels, cells) in upstreams {
        let all = Histogram::distribution(cells.iter().map(|cells| &cells.0));
        let (name, help) = UPSTREAM_DURATION;
        let family = families.family(name, Kind::Histogram, help, &["upstream"]);
        family.series.insert(labels.to_vec(), Value::Distribution(all));
    }
}
