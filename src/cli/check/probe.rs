//! `check --probe`: tries what `run` needs from the system and the network. Nothing is left open.

mod written;

use std::{
    collections::HashSet,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::{runtime::LocalOptions, task::JoinSet, time::timeout};

use crate::{
    acme,
    clock::Clock,
    config::{
        Problem, Span, Spanned,
        settings::{Acme, Settings, TokenVerification, Url},
    },
    forward::{self, Origin, ProbeError, Target},
    load::{WantedKeySet, cannot_bind, port_owners},
    net::WriteBatcher,
    outbound::{self, Get},
    site::Site,
    source::{crl, key_sets},
    tls,
};

/// For each probe; all of them run at the same time.
const LIMIT: Duration = Duration::from_secs(5);

/// What was tried.
#[derive(Debug)]
pub(super) struct Probed {
    what: String,
    /// How it went, if there is more to say than that it succeeded.
    note: Option<String>,
    /// Why it failed.
    pub(super) failure: Option<Problem>,
}

impl Probed {
    /// The result, as a line.
    pub(super) fn line(&self) -> String {
        let note = self.note.as_ref().map_or_else(String::new, |note| format!(": {note}"));
        format!("{:<6}  {}{note}\n", if self.failure.is_some() { "failed" } else { "ok" }, self.what)
    }

    /// The same for programs. docs/operate.md documents its members.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "what": self.what,
            "ok": self.failure.is_none(),
            "note": self.note,
            "error": self.failure.as_ref().map(|failure| &failure.what),
        })
    }

    fn new(what: String, failure: impl Into<Option<Problem>>) -> Self {
        Self { what, note: None, failure: failure.into() }
    }
}

/// Tries everything.
pub(super) fn probe(settings: &Settings, site: &Site, key_sets: &[WantedKeySet]) -> io::Result<Vec<Probed>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let hello = tls::client_config(RootCertStore::empty(), None, &[]).map_err(io::Error::other)?;
    let hello = Arc::new(hello);
    let mut probed = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        connect(settings, site, &hello, &mut tasks);
        fetch(settings, key_sets, &mut tasks);
        directory(settings, &mut tasks);
        let mut probed = bind(settings).await;
        let mut others = tasks.join_all().await;
        others.sort_by(|a, b| a.what.cmp(&b.what));
        probed.append(&mut others);
        probed
    });
    // A resolver may not answer.
    runtime.shutdown_background();
    probed.extend(written::probe(settings, key_sets));
    Ok(probed)
}

/// Binds each address, and closes it.
async fn bind(settings: &Settings) -> Vec<Probed> {
    let listen = &settings.listen;
    let https = listen.https.iter().map(|address| ("listen.https", address.clone()));
    let admin = listen.admin.value.map(|value| {
        let span = listen.admin.span.clone();
        ("listen.admin", Spanned { value, span })
    });
    let health = listen.health.iter().map(|address| ("listen.health", address.clone()));
    let mut probed = Vec::new();
    for (key, address) in https.chain(admin).chain(health) {
        let what = format!("bind {}", address.value);
        probed.push(match TcpListener::bind(address.value) {
            Ok(_) => Probed::new(what, None),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                match of_running_edge(address.value, running(settings).await) {
                    Some(note) => Probed { note: Some(note), ..Probed::new(what, None) },
                    None => Probed::new(what, cannot_bind(key, &address, &error)),
                }
            }
            Err(error) => Probed::new(what, cannot_bind(key, &address, &error)),
        });
    }
    probed
}

/// Says so if an address in use is that of the edge that answers at `running`: then it is not a failure.
///
/// The process that has the address must have that of operators, too: another edge, or another program, may have only one of them.
fn of_running_edge(address: SocketAddr, running: Option<SocketAddr>) -> Option<String> {
    let (found, at) = (port_owners(address), running?);
    if !found.is_empty() && found.is_disjoint(&port_owners(at)) {
        return None;
    }
    let unknown = if found.is_empty() { ", or by a process that only root can see" } else { "" };
    Some(format!("in use by the edge that answers at {at}{unknown}"))
}

/// The address of operators or health checks at which an edge answers. An admin address with TLS is not asked: it may want a certificate.
async fn running(settings: &Settings) -> Option<SocketAddr> {
    let health = settings.listen.health.as_ref().map(|health| health.value);
    let admin = settings.listen.admin.value.filter(|_| settings.admin.identity.is_none());
    for address in admin.into_iter().chain(health) {
        let origin = Origin { tls: false, host: address.ip().to_string(), port: address.port() };
        let target = "/healthz";
        let request = Get { origin: &origin, target, accept: "*/*", authorization: None, max_bytes: 1024 };
        if matches!(timeout(LIMIT, request.send_to(address)).await, Ok(Ok(_))) {
            return Some(address);
        }
    }
    None
}

/// Connects to each origin of the upstreams that are used, of introspection endpoints, and of the collector of traces.
fn connect(settings: &Settings, site: &Site, hello: &Arc<ClientConfig>, tasks: &mut JoinSet<Probed>) {
    let batcher = WriteBatcher::default();
    tokio::task::spawn_local(batcher.clone().run());
    let mut seen = HashSet::new();
    let collector = site.traces.iter().map(|traces| &traces.target);
    let targets = site.pooled_targets().chain(collector);
    for target in targets.filter(|target| seen.insert(Arc::as_ptr(target))) {
        for (index, address) in target.spec.origins.iter().enumerate() {
            let Some((key, span)) = place((settings, site), target, index) else { continue };
            let (span, what) = (span.clone(), format!("connect to {}", address.url()));
            let (target, batcher, hello) = (Arc::clone(target), batcher.clone(), Arc::clone(hello));
            tasks.spawn_local(async move {
                let outcome = forward::probe(&target, index, &batcher, LIMIT, &hello).await;
                let failed = |error: ProbeError| {
                    let problem = Problem::error(&span, key, format!("{}: {error}", target.spec.name));
                    match error {
                        ProbeError::Unreachable(_) => {
                            problem.help("check that the server runs and that this machine can reach it")
                        }
                        // The error says what to do.
                        ProbeError::Unusable(_) => problem,
                    }
                };
                match outcome {
                    Ok(note) => Probed { note, ..Probed::new(what, None) },
                    Err(error) => Probed::new(what, failed(error)),
                }
            });
        }
    }
}

/// Where an origin is configured.
fn place<'a>(
    (settings, site): (&'a Settings, &Site),
    target: &Target,
    index: usize,
) -> Option<(&'static str, &'a Span)> {
    let is_collector =
        site.traces.as_ref().is_some_and(|traces| std::ptr::eq(&raw const *traces.target, target));
    if let Some(traces) = settings.traces.as_ref().filter(|_| is_collector) {
        return Some(("traces.endpoint", &traces.endpoint.span));
    }
    let upstream = settings.upstreams.iter().find(|upstream| upstream.name.value == target.spec.name);
    if let Some(upstream) = upstream {
        return upstream.urls.get(index).map(|url| ("upstream.urls", &url.span));
    }
    let origins = &target.spec.origins;
    settings.token_issuers.iter().find_map(|issuer| match &issuer.verification {
        TokenVerification::Introspection(endpoint)
            if origins.get(index)?.url() == endpoint.url.value.origin.url() =>
        {
            Some(("token_issuer.introspection", &endpoint.url.span))
        }
        _ => None,
    })
}

/// Fetches each document that `run` would fetch, and judges it as `run` does, without using it.
fn fetch(settings: &Settings, key_sets: &[WantedKeySet], tasks: &mut JoinSet<Probed>) {
    let trust = Arc::new(settings.trust.clone());
    for source in &settings.trust.crl_sources {
        let (trust, mut source) = (Arc::clone(&trust), source.clone());
        source.schedule.timeout = source.schedule.timeout.min(LIMIT);
        tasks.spawn_local(
            async move { fetched(&source.url, crl::probe(&trust, &source, &Clock::System).await) },
        );
    }
    for mut wanted in key_sets.iter().cloned() {
        let timeout = &mut wanted.source.schedule.timeout;
        *timeout = LIMIT.min(*timeout);
        tasks.spawn_local(async move { fetched(&wanted.source.url, key_sets::probe(&wanted).await) });
    }
}

/// How the fetch of a document went.
fn fetched(url: &Spanned<Url>, outcome: Result<(), String>) -> Probed {
    let failure = outcome.err().map(|why| {
        let problem = Problem::error(&url.span, "", format!("{}: {why}", url.value));
        // An error of TLS says itself what to do.
        if why.contains(outbound::TLS_FAILED) {
            return problem;
        }
        problem.help("check the URL, and that this machine can reach the server")
    });
    Probed::new(format!("fetch {}", url.value), failure)
}

/// `[acme]`, if a domain uses it.
fn ordering(settings: &Settings) -> Option<&Acme> {
    settings.acme.as_ref().filter(|_| settings.domains.iter().any(|domain| domain.acme))
}

/// Fetches the directory of the CA. No account is registered.
fn directory(settings: &Settings, tasks: &mut JoinSet<Probed>) {
    let Some(Acme { directory, ca, .. }) = ordering(settings).cloned() else { return };
    tasks.spawn_local(async move {
        let fetched =
            timeout(LIMIT, acme::directory(&directory.value, ca.as_ref().map(|ca| ca.value.as_path())));
        let outcome = fetched.await.unwrap_or_else(|_| Err(format!("no response within {LIMIT:?}")));
        let failure = outcome.err().map(|why| {
            let what = format!("{}: {why}", directory.value);
            let problem = Problem::error(&directory.span, "acme.directory", what);
            if why.contains(outbound::TLS_FAILED) {
                return problem;
            }
            problem.help("check the URL, and that this machine can reach the CA")
        });
        Probed::new(format!("fetch the ACME directory {}", directory.value), failure)
    });
}
