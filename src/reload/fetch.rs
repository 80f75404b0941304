//! CRLs from URLs: fetched by a thread of its own, judged, and put into their files, where they are found like any other change.
//!
//! Nothing waits for it but the start of an edge that lacks a list: no request, no reload.

mod exchange;
mod keep;

use std::{collections::HashMap, path::PathBuf, sync::Arc, thread::JoinHandle, time::Duration};

use tokio::{
    runtime::Runtime,
    signal::unix::SignalKind,
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::{
    clock::{Clock, Timestamp},
    config::{
        Problem, Severity,
        settings::{CrlSource, Trust, Url},
    },
    identity::StaleCrl,
    load::{Kept, kept},
    observe::{Reloads, Source},
};

/// A list that could not be had is asked for again after so long at the latest.
const RETRY: Duration = Duration::from_secs(60);

/// Fetches what it is told to, until it is dropped.
#[derive(Debug)]
pub(super) struct Fetcher {
    reloads: Arc<Reloads>,
    clock: Clock,
    running: Option<Running>,
}

/// The trusts whose sources are fetched; none: the end.
type Wanted = Vec<Arc<Trust>>;

#[derive(Debug)]
struct Running {
    wanted: watch::Sender<Wanted>,
    thread: JoinHandle<()>,
}

impl Fetcher {
    pub(super) fn new(reloads: Arc<Reloads>, clock: Clock) -> Self {
        Self { reloads, clock, running: None }
    }

    /// From now on the sources of these are fetched, and judged by the first trust that names them. A thread is started for the first
    /// source.
    pub(super) fn want(&mut self, trusts: &[&Trust]) {
        let sources: Vec<_> = trusts.iter().flat_map(|trust| &trust.crl_sources).map(shown).collect();
        self.reloads.fetches.only(&sources);
        let wanted = || trusts.iter().map(|trust| Arc::new((*trust).clone())).collect();
        match &self.running {
            Some(running) => drop(running.wanted.send_replace(wanted())),
            None if sources.is_empty() => {}
            None => match start(wanted(), Arc::clone(&self.reloads), self.clock.clone()) {
                Ok(running) => self.running = Some(running),
                Err(error) => tracing::error!(%error, "CRLs can't be fetched: no thread could be started"),
            },
        }
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.wanted.send_replace(Vec::new());
            // It ends at once, whatever it waits for.
            let _ = running.thread.join();
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A write past the process's file size limit is to fail, not to end the process: what is listened for does not.
    let entered = runtime.enter();
    let past_limit = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    drop(tokio::signal::unix::signal(past_limit)?);
    drop(entered);
    Ok(runtime)
}

fn start(wanted: Wanted, reloads: Arc<Reloads>, clock: Clock) -> std::io::Result<Running> {
    let (wanted, receiver) = watch::channel(wanted);
    let runtime = runtime()?;
    let thread = std::thread::Builder::new().name("fetch".to_owned()).spawn(move || {
        runtime.block_on(fetch_all(receiver, &reloads, &clock));
        // A name that is being looked up is not waited for.
        runtime.shutdown_background();
    })?;
    Ok(Running { wanted, thread })
}

/// What makes a source another one; where it is written does not.
type Key = (Url, PathBuf, [Duration; 2], [Option<PathBuf>; 2]);

fn key(source: &CrlSource) -> Key {
    let CrlSource { url, file, refresh, timeout, ca, issuer } = source;
    let files = [ca, issuer].map(|file| file.as_ref().map(|file| file.value.clone()));
    (url.value.clone(), file.value.clone(), [*refresh, *timeout], files)
}

async fn fetch_all(mut wanted: watch::Receiver<Wanted>, reloads: &Arc<Reloads>, clock: &Clock) {
    let mut tasks = JoinSet::new();
    let mut running: HashMap<Key, AbortHandle> = HashMap::new();
    loop {
        let trusts = wanted.borrow_and_update().clone();
        if trusts.is_empty() {
            return;
        }
        let sources: Vec<&CrlSource> = trusts.iter().flat_map(|trust| &trust.crl_sources).collect();
        let keys: Vec<Key> = sources.iter().copied().map(key).collect();
        running.retain(|key, task| {
            let stays = keys.contains(key);
            if !stays {
                task.abort();
            }
            // One that was not wanted for a moment may have ended by itself.
            stays && !task.is_finished()
        });
        for (key, source) in keys.into_iter().zip(sources) {
            running.entry(key).or_insert_with(|| {
                tasks.spawn(fetch_ever(source.clone(), wanted.clone(), Arc::clone(reloads), clock.clone()))
            });
        }
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

/// As metrics and status show it.
fn shown(source: &CrlSource) -> Source {
    Source { url: source.url.value.to_string(), file: source.file.value.display().to_string() }
}

/// Fetches one list again and again. What becomes of it is told when it changes.
async fn fetch_ever(source: CrlSource, wanted: watch::Receiver<Wanted>, reloads: Arc<Reloads>, clock: Clock) {
    let shown = shown(&source);
    let Source { url, file } = &shown;
    loop {
        let names_it = |trust: &&Arc<Trust>| trust.crl_sources.iter().any(|other| key(other) == key(&source));
        let trust = wanted.borrow().iter().find(names_it).cloned();
        let Some(trust) = trust else { return };
        let wait = match fetch(&source, &trust, &clock).await {
            Ok(is_new) => {
                let mended = reloads.fetches.succeeded(&shown);
                if is_new || mended {
                    tracing::info!(url, file, new = is_new, "CRL fetched");
                }
                source.refresh
            }
            Err(why) => {
                if reloads.fetches.failed(&shown, &why) {
                    tracing::error!(url, file, why, "CRL not fetched: what is kept stays");
                }
                source.refresh.min(RETRY)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Fetches a list once, and keeps it if it is another one and may be. Whether it is.
async fn fetch(source: &CrlSource, trust: &Trust, clock: &Clock) -> Result<bool, String> {
    let bytes = tokio::time::timeout(source.timeout, exchange::get(source))
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {:?}", source.timeout)))?;
    keep::keep(trust, source, &bytes, clock.now())
}

/// The sources whose files hold no list that counts, with the reason where there is one.
fn awaited(trust: &Trust, now: Timestamp) -> Vec<(&CrlSource, Option<String>)> {
    let awaited = trust.crl_sources.iter().filter_map(|source| match kept(trust, source, now) {
        Kept::Lists => None,
        Kept::Nothing => Some((source, None)),
        Kept::Unfit(why) => Some((source, Some(why))),
    });
    awaited.collect()
}

/// Whether a list that is to be fetched is not there yet, or does not count.
pub(super) fn lacks_list(trust: &Trust, now: Timestamp) -> bool {
    !awaited(trust, now).is_empty()
}

/// Fetches the lists that are not there yet, all at once, before trust is built for the first time. Those that can't be had are
/// errors, or warnings where certificates are judged without.
pub(super) fn missing(trust: &Trust, clock: &Clock) -> Vec<Problem> {
    let awaited: Vec<&CrlSource> =
        awaited(trust, clock.now()).into_iter().map(|(source, _)| source).collect();
    if awaited.is_empty() {
        return Vec::new();
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            return awaited.iter().map(|source| lacking(trust, source, &error.to_string())).collect();
        }
    };
    let outcomes = runtime
        .block_on(futures_util::future::join_all(awaited.iter().map(|source| fetch(source, trust, clock))));
    runtime.shutdown_background();
    let failed = awaited.iter().zip(outcomes).filter_map(|(source, outcome)| Some((source, outcome.err()?)));
    failed.map(|(source, why)| lacking(trust, source, &why)).collect()
}

/// The lists without which a site may not take the place of the one in force: those that are not there yet, where certificates are not
/// to be judged without, and in any case files that hold something that does not count, since the list in force is better.
pub(super) fn still_missing(trust: &Trust, now: Timestamp) -> Vec<Problem> {
    let problem = |(source, why): (&CrlSource, Option<String>)| match why {
        Some(why) => Some(Problem { severity: Severity::Error, ..lacking(trust, source, &why) }),
        None if trust.stale_crl == StaleCrl::Report => None,
        None => Some(lacking(trust, source, "it has not been fetched yet")),
    };
    awaited(trust, now).into_iter().filter_map(problem).collect()
}

fn lacking(trust: &Trust, source: &CrlSource, why: &str) -> Problem {
    let what = format!(
        "no CRL from {}, and none is kept in {}: {why}",
        source.url.value,
        source.file.value.display()
    );
    let (place, key) = (&source.url.span, "trust.crls.url");
    match trust.stale_crl {
        StaleCrl::Refuse => Problem::error(place, key, what)
            .help("mend the way to it, put a list into the file by hand, or write stale_crl = \"report\""),
        StaleCrl::Report => Problem::warning(place, key, what)
            .help("its CA's certificates are judged without it until it is there (stale_crl = \"report\")"),
    }
}
