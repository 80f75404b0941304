//! The reloader: a thread that waits for a reason to look, looks, and swaps.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    Initial,
    burst::{Burst, Event},
    contents::{Contents, Marks},
    doubt::Doubt,
    fetch::{self, Fetcher},
    links, restart,
    retired::{self, Retired},
    told,
    watch::Folders,
};
use crate::{
    clock::{Clock, Timestamp},
    config::{Problem, settings::Settings},
    load::{Built, build},
    observe::Reloads,
    site::{Changes, Site, SiteHandle},
    trust::Generation,
};

/// How often files are looked at where no event tells of them.
const POLL: Duration = Duration::from_secs(2);
/// Files that changed while they were read are read again after so long.
const AGAIN: Duration = Duration::from_millis(30);

/// A reason to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Something happened in a watched folder.
    Event(Event),
    /// The operator asks (SIGHUP).
    Asked,
    /// The edge ends.
    Stop,
}

/// Watches the configuration and all that it names, until it is dropped.
#[derive(Debug)]
pub struct Reloader {
    triggers: Sender<Trigger>,
    thread: Option<JoinHandle<()>>,
}

impl Reloader {
    /// Starts watching the configuration of `initial` and all that it names.
    pub fn start(initial: Initial, reloads: Arc<Reloads>) -> std::io::Result<Self> {
        let (triggers, reasons) = channel();
        let mut watch = Watch::new(initial, reloads, triggers.clone());
        watch.fetcher.want(&[&watch.settings.trust]);
        // What changed between the first build and the begin of the watch, before anybody is told that the edge is there.
        watch.look();
        let thread =
            std::thread::Builder::new().name("reload".to_owned()).spawn(move || watch.run(&reasons))?;
        Ok(Self { triggers, thread: Some(thread) })
    }

    /// Where reasons to look can be sent from elsewhere.
    #[must_use]
    pub fn triggers(&self) -> Sender<Trigger> {
        self.triggers.clone()
    }

    /// Whether it still watches. An edge that takes up no change any more must not go on.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        let _ = self.triggers.send(Trigger::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watch {
    config: PathBuf,
    files: BTreeSet<PathBuf>,
    /// The same without links, as events name them.
    resolved: BTreeSet<PathBuf>,
    settings: Settings,
    site: SiteHandle,
    retired: Retired<Site>,
    /// Fetches the lists that are named by URL.
    fetcher: Fetcher,
    reloads: Arc<Reloads>,
    clock: Clock,
    folders: Folders,
    marks: Marks,
    /// What the site in force was built from.
    in_force: Contents,
    next: Next,
    /// The operator asked, and has no answer yet.
    asked: bool,
    /// The broken contents that were told of.
    told: Option<Contents>,
    /// When they may be fit as they are: a server certificate of theirs is not valid before.
    fit_from: Option<Timestamp>,
}

/// What is to be done if nothing happens.
enum Next {
    /// Look from outside, now and then.
    Poll,
    /// Read again: the files changed while they were read.
    Again,
    /// Look whether these contents, which do not validate, are still there.
    Doubt(Doubt<Contents>),
}

/// Lets requests go first on a core that this thread shares with a worker: a large registry takes a while to read. Not the lowest
/// priority: under full load too a revocation is to be in force soon.
fn make_way() {
    /// A third of a worker's share.
    const NICE: i32 = 5;
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the reloader's priority stays that of the workers");
    }
}

/// What was read from the files: a site, and all else that a reload asks of the same contents. Once it is made no file is read
/// before it is in force or refused: a fetch may replace one at any moment.
struct Candidate {
    /// The files' contents, the same before as after everything was read.
    contents: Contents,
    built: Built,
    /// The lists that are missing, or that do not count.
    missing: Vec<Problem>,
    /// The site in force, from which it took over what is the same.
    current: Arc<Site>,
    doubted: Option<Doubt<Contents>>,
}

impl Watch {
    fn new(initial: Initial, reloads: Arc<Reloads>, triggers: Sender<Trigger>) -> Self {
        let Initial { settings, site, clock, config, files, contents, .. } = initial;
        Self {
            config,
            marks: Marks::of(&files),
            files,
            resolved: BTreeSet::new(),
            settings,
            site,
            retired: Retired::none(),
            fetcher: Fetcher::new(Arc::clone(&reloads), clock.clone()),
            reloads,
            clock,
            folders: Folders::new(triggers),
            in_force: contents,
            next: Next::Poll,
            asked: false,
            told: None,
            fit_from: None,
        }
    }

    fn run(mut self, reasons: &Receiver<Trigger>) {
        make_way();
        loop {
            let wait = match &self.next {
                Next::Poll if self.retired.is_empty() => POLL,
                Next::Poll => retired::LOOK,
                Next::Again => AGAIN,
                Next::Doubt(doubt) => doubt.wait(Instant::now()).unwrap_or_default(),
            };
            match reasons.recv_timeout(wait) {
                Ok(Trigger::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(trigger) => {
                    if !self.settle(reasons, trigger) {
                        return;
                    }
                    self.look();
                }
                Err(RecvTimeoutError::Timeout) => {
                    let is_time = self.fit_from.take_if(|from| *from <= self.clock.now()).is_some();
                    if is_time {
                        self.told = None;
                    }
                    if is_time || !matches!(self.next, Next::Poll) || Marks::of(&self.files) != self.marks {
                        self.look();
                    }
                }
            }
            self.retired.sweep();
        }
    }

    /// Waits for the end of a burst of events. Whether the edge goes on.
    fn settle(&mut self, reasons: &Receiver<Trigger>, first: Trigger) -> bool {
        let mut burst = Burst::new(&self.resolved, Instant::now());
        let mut next = Ok(first);
        loop {
            let now = Instant::now();
            match next {
                Ok(Trigger::Event(event)) => burst.take(event, now),
                Ok(Trigger::Asked) => self.asked = true,
                Ok(Trigger::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let Some(wait) = burst.wait(now) else { return true };
            next = reasons.recv_timeout(wait);
        }
    }

    /// Builds from what stands there now, if that is neither in force nor reported as broken, and puts it in force if it is fit.
    fn look(&mut self) {
        if let Some(candidate) = self.read() {
            self.take(candidate);
        }
    }

    /// Reads the files, if they hold anything new, and nobody wrote meanwhile.
    fn read(&mut self) -> Option<Candidate> {
        self.marks = Marks::of(&self.files);
        self.resolved = self.files.iter().map(|file| links::file(file)).collect();
        self.folders.watch(&self.files);
        let contents = Contents::of(&self.files);
        let doubted = match std::mem::replace(&mut self.next, Next::Poll) {
            Next::Doubt(doubt) => Some(doubt),
            Next::Poll | Next::Again => None,
        };
        if !self.asked && contents.include(&self.in_force) {
            self.mended();
            return None;
        }
        if !self.asked && self.told.as_ref() == Some(&contents) {
            return None;
        }
        let current = self.site.load_full();
        let built =
            build(&self.config, Generation(current.trust.generation.0 + 1), Some(&current), &self.clock);
        let missing =
            built.site.as_ref().map(|(settings, _)| fetch::still_missing(&settings.trust, self.clock.now()));
        let named_anew = !built.files.is_subset(&self.files);
        // What was named before is watched on until a site is in force that does not name it.
        self.files.extend(built.files.iter().cloned());
        if named_anew || Contents::of(&self.files) != contents {
            self.next = Next::Again;
            return None;
        }
        Some(Candidate { contents, built, missing: missing.unwrap_or_default(), current, doubted })
    }

    /// Puts it in force, or refuses it.
    fn take(&mut self, candidate: Candidate) {
        let Candidate { contents, built, missing, current, doubted } = candidate;
        let Some((settings, site)) = built.site else {
            self.fit_from = built.fit_from;
            return self.fail(contents, doubted, &built.problems);
        };
        let mut unfit = restart::needed(&self.settings, &settings);
        unfit.extend(missing);
        if !unfit.is_empty() {
            // What is in force goes on to be fetched; what is lacking may be a list.
            self.fetcher.want(&[&self.settings.trust, &settings.trust]);
            return self.fail(contents, doubted, &unfit);
        }
        self.fetcher.want(&[&settings.trust]);
        told::warnings(&built.problems);
        self.watch_only(built.files);
        let contents = contents.only(&self.files);
        let why = self.why(&contents);
        let changes = Changes::between(&current, &site);
        let generation = site.trust.generation;
        drop(current);
        self.retired.keep(self.site.swap(Arc::new(site)));
        self.reloads.succeeded(why.clone());
        tracing::info!(generation = generation.0, why, changes = %changes, "reloaded");
        self.settings = settings;
        self.in_force = contents;
        self.asked = false;
        self.told = None;
        self.fit_from = None;
    }

    /// From now on these files alone, of those that were looked at. Their marks stay those of before they were read, so that a
    /// change since then is found.
    fn watch_only(&mut self, files: BTreeSet<PathBuf>) {
        self.marks = std::mem::take(&mut self.marks).only(&self.files, &files);
        self.files = files;
    }

    /// The old site stays. What does not validate is told once, and only if it is sure not to be half of a change.
    fn fail(&mut self, contents: Contents, doubted: Option<Doubt<Contents>>, problems: &[Problem]) {
        let now = Instant::now();
        let doubt = Doubt::of(contents, doubted, now);
        if !self.asked && doubt.wait(now).is_some() {
            self.next = Next::Doubt(doubt);
            return;
        }
        let told = told::errors(problems);
        self.reloads.failed(told.clone());
        tracing::error!(problems = told, "reload refused: the former trust stays in force");
        self.asked = false;
        self.told = Some(doubt.into_contents());
    }

    /// The files say again, or still, what is in force. What else a refused configuration named is forgotten.
    fn mended(&mut self) {
        self.watch_only(self.in_force.files());
        self.fetcher.want(&[&self.settings.trust]);
        if self.told.take().is_some() {
            self.reloads.mended();
            tracing::info!("the files say again what is in force");
        }
    }

    fn why(&self, contents: &Contents) -> String {
        let changed: Vec<String> = self
            .in_force
            .differing(contents)
            .into_iter()
            .map(|file| file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned())
            .collect();
        if changed.is_empty() && self.asked {
            "asked for".to_owned()
        } else {
            format!("changed: {}", changed.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
