//! Fetched documents: a thread fetches them from their URLs, judges them, and caches them in files. From there they are a change of a
//! file like any other. Requests and reloads never wait for a fetch.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::Hash,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Semaphore, watch},
    task::{AbortHandle, JoinSet},
};

use crate::{
    config::{
        file::{Readers, replace},
        settings::Url,
    },
    load::roots,
    observe::Overdue,
    outbound::{Get, Schedule, runtime},
    site::RefreshRequest,
};

/// A document that could not be fetched is requested again after this time at the latest.
const RETRY: Duration = Duration::from_secs(60);

/// The minimum distance of the fetches of one document, however often they are asked for: anyone can cause that.
const PAUSE: Duration = Duration::from_secs(5);
/// The most documents that are fetched at the same time: applications may have a key set each.
const AT_ONCE: usize = 32;

/// The URL of a document, and the file in which it is cached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Location {
    pub(super) url: Url,
    pub(super) file: PathBuf,
    pub(super) schedule: Schedule,
    /// PEM roots for https; absent: the system's.
    pub(super) ca: Option<PathBuf>,
}

/// One kind of document: its location, and how it is judged.
pub(super) trait Document: Clone + Send + Sync + 'static {
    /// What makes it another document; the way in which it is judged may change without that.
    type Key: Clone + Eq + Hash + Send + Sync;

    /// What it is called in the log.
    const NAME: &'static str;
    /// The field value of `Accept`.
    const ACCEPT: &'static str;
    /// The most bytes.
    const LARGEST: usize;

    fn key(&self) -> Self::Key;

    fn location(&self) -> &Location;

    /// Whether a valid one is cached.
    fn is_cached(&self) -> bool;

    /// What to do, and what happens meanwhile, while none is cached.
    fn help_without(&self) -> &'static str;

    /// Asks for a fetch before its time; none if nothing does.
    fn refresh(&self) -> Option<&RefreshRequest> {
        None
    }

    /// Whether what was fetched differs from what is cached, and may replace it: the error says why not.
    fn judge(&self, fetched: &[u8]) -> Result<bool, String>;
}

/// Counts fetches. Each function answers whether the outcome is worth a log line.
pub(super) trait Outcomes<D>: Send + Sync + 'static {
    fn succeeded(&self, document: &D) -> bool;
    fn failed(&self, document: &D, why: &str) -> bool;
    /// Whether it is time to warn that a document has not been fetched for long.
    fn overdue(&self, document: &D) -> Option<Overdue>;
}

/// Fetches the wanted documents until it is dropped.
pub(super) struct Fetcher<D: Document> {
    outcomes: Arc<dyn Outcomes<D>>,
    running: Option<Running<D>>,
}

struct Running<D: Document> {
    /// None: the end.
    wanted: watch::Sender<Option<Wanted<D>>>,
    thread: JoinHandle<()>,
}

/// The documents to fetch, by their key.
type Wanted<D> = Arc<HashMap<<D as Document>::Key, D>>;

impl<D: Document> Fetcher<D> {
    pub(super) const fn new(outcomes: Arc<dyn Outcomes<D>>) -> Self {
        Self { outcomes, running: None }
    }

    /// From now on fetches these. Of two with the same key the first one judges. The first document starts a thread.
    pub(super) fn want(&mut self, documents: Vec<D>) {
        let mut wanted = HashMap::with_capacity(documents.len());
        for document in documents {
            wanted.entry(document.key()).or_insert(document);
        }
        match &self.running {
            Some(running) => drop(running.wanted.send_replace(Some(Arc::new(wanted)))),
            None if wanted.is_empty() => {}
            None => match start(Arc::new(wanted), Arc::clone(&self.outcomes)) {
                Ok(running) => self.running = Some(running),
                Err(error) => {
                    tracing::error!(%error, "cannot start a thread to fetch {} files", D::NAME);
                }
            },
        }
    }
}

impl<D: Document> Drop for Fetcher<D> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.wanted.send_replace(None);
            // It ends at once, whatever it waits for.
            let _ = running.thread.join();
        }
    }
}

fn start<D: Document>(documents: Wanted<D>, outcomes: Arc<dyn Outcomes<D>>) -> std::io::Result<Running<D>> {
    let (wanted, receiver) = watch::channel(Some(documents));
    let runtime = runtime()?;
    let thread = std::thread::Builder::new().name("fetch".to_owned()).spawn(move || {
        runtime.block_on(fetch_wanted(receiver, &outcomes));
        // A name that is being resolved is not waited for.
        runtime.shutdown_background();
    })?;
    Ok(Running { wanted, thread })
}

async fn fetch_wanted<D: Document>(
    mut wanted: watch::Receiver<Option<Wanted<D>>>,
    outcomes: &Arc<dyn Outcomes<D>>,
) {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    let mut running: HashMap<D::Key, AbortHandle> = HashMap::new();
    loop {
        let Some(documents) = wanted.borrow_and_update().clone() else { return };
        running.retain(|key, task| {
            let stays = documents.contains_key(key);
            if !stays {
                task.abort();
            }
            // One that was not wanted for a moment may have ended by itself.
            stays && !task.is_finished()
        });
        for key in documents.keys() {
            running.entry(key.clone()).or_insert_with(|| {
                let at_once = Arc::clone(&at_once);
                tasks.spawn(fetch_repeatedly(key.clone(), wanted.clone(), Arc::clone(outcomes), at_once))
            });
        }
        drop(documents);
        // Aborted tasks are dropped, so that they do not accumulate.
        while tasks.try_join_next().is_some() {}
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

/// Fetches one document until it is not wanted any more. Outcomes are logged when they change.
async fn fetch_repeatedly<D: Document>(
    key: D::Key,
    mut wanted: watch::Receiver<Option<Wanted<D>>>,
    outcomes: Arc<dyn Outcomes<D>>,
    at_once: Arc<Semaphore>,
) {
    loop {
        let Some(document) = newest(&mut wanted, &key) else { return };
        let Location { url, file, schedule: Schedule { refresh, .. }, .. } = document.location();
        let (url, file) = (url.to_string(), file.display().to_string());
        let place = at_once.acquire().await;
        let fetched = fetch(&document).await;
        drop(place);
        let wait = match fetched {
            Ok(is_new) => {
                if outcomes.succeeded(&document) || is_new {
                    tracing::info!(url, file, new = is_new, "{} fetched", D::NAME);
                }
                *refresh
            }
            Err(why) => {
                if outcomes.failed(&document, &why) {
                    log_failure(&document, (&url, &file), &why);
                }
                if let Some(overdue) = outcomes.overdue(&document) {
                    warn_of_overdue(&document, (&url, &file), &overdue);
                }
                (*refresh).min(RETRY)
            }
        };
        wait_for_next(wait, &mut wanted, &key).await;
    }
}

/// The document with this key as it is wanted now.
fn newest<D: Document>(wanted: &mut watch::Receiver<Option<Wanted<D>>>, key: &D::Key) -> Option<D> {
    wanted.borrow_and_update().as_ref()?.get(key).cloned()
}

fn log_failure<D: Document>(document: &D, (url, file): (&str, &str), why: &str) {
    if document.is_cached() {
        tracing::error!(url, file, why, "{0} fetch failed; keeping the cached {0}", D::NAME);
    } else {
        let help = document.help_without();
        tracing::error!(url, file, why, help, "{} fetch failed, and none is cached", D::NAME);
    }
}

/// What is cached stays in force however old it is, so that the operator must learn of it.
fn warn_of_overdue<D: Document>(document: &D, (url, file): (&str, &str), overdue: &Overdue) {
    let failing_since = overdue.failing_since.to_string();
    let last_fetched = overdue.last_fetched.map(|last| last.to_string());
    let last_fetched = last_fetched.as_deref().unwrap_or("not since serving began");
    if document.is_cached() {
        tracing::warn!(
            url,
            file,
            failing_since,
            last_fetched,
            "{0} has not been fetched for long; the cached {0} is still in use",
            D::NAME
        );
    } else {
        let help = document.help_without();
        tracing::warn!(
            url,
            file,
            failing_since,
            last_fetched,
            help,
            "{} has not been fetched for long, and none is cached",
            D::NAME
        );
    }
}

/// Waits for this time, or until a fetch is needed before, but at least for [`PAUSE`].
async fn wait_for_next<D: Document>(
    wait: Duration,
    wanted: &mut watch::Receiver<Option<Wanted<D>>>,
    key: &D::Key,
) {
    let pause = wait.min(PAUSE);
    tokio::time::sleep(pause).await;
    // An elapsed time means that none was.
    let _ = tokio::time::timeout(wait.saturating_sub(pause), needed(wanted, key)).await;
}

/// Waits until a fetch is asked for, by those who ask now, since a reload may replace them; or until a reload finds that what was cached is
/// gone: it may be rejected for that reason until the next fetch.
async fn needed<D: Document>(wanted: &mut watch::Receiver<Option<Wanted<D>>>, key: &D::Key) {
    let mut is_reload = wanted.has_changed().unwrap_or(true);
    while let Some(document) = newest(wanted, key) {
        if is_reload && !document.is_cached() {
            return;
        }
        let asked = async {
            match document.refresh() {
                Some(request) => request.asked().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = asked => return,
            changed = wanted.changed() => if changed.is_err() { return },
        }
        is_reload = true;
    }
}

/// Fetches a document once, and caches it if it differs and may. Whether it differs.
async fn fetch<D: Document>(document: &D) -> Result<bool, String> {
    let (bytes, differs) = get(document).await?;
    if differs {
        let file = &document.location().file;
        replace(file, &bytes, Readers::All)
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(differs)
}

/// Fetches a document once, and judges it. Whether it differs from what is cached.
pub(super) async fn get<D: Document>(document: &D) -> Result<(Bytes, bool), String> {
    let Location { url, schedule: Schedule { timeout, .. }, ca, .. } = document.location();
    let get = Get {
        origin: &url.origin,
        target: &url.target,
        accept: D::ACCEPT,
        authorization: None,
        max_bytes: D::LARGEST,
    };
    let answer = get.send(|| roots(ca.as_deref().map(Path::new)).map_err(|fault| fault.what));
    let bytes = tokio::time::timeout(*timeout, answer)
        .await
        .map_err(|_| format!("no response within {timeout:?}"))?
        .map_err(|error| error.to_string())?;
    let differs = document.judge(&bytes)?;
    Ok((bytes, differs))
}

/// Fetches these once, at most [`AT_ONCE`] at the same time; each with the reason why it failed.
pub(super) fn fetch_once<D: Document>(documents: &[D]) -> Vec<Result<bool, String>> {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return documents.iter().map(|_| Err(error.to_string())).collect(),
    };
    let at_once = Semaphore::new(AT_ONCE);
    let fetch = async |document| {
        let _place = at_once.acquire().await;
        fetch(document).await
    };
    let outcomes = runtime.block_on(futures_util::future::join_all(documents.iter().map(fetch)));
    runtime.shutdown_background();
    outcomes
}

#[cfg(test)]
mod tests;
