//! The configuration files as a source: watches them, builds a site from a consistent state of them, and publishes it.

mod changing;
mod contents;
mod due;
mod fetchers;
mod initial;
mod links;
mod report;
mod restart;
mod settling;
#[cfg(test)]
pub(crate) mod testing;
mod watch;
mod writes;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

use self::{
    changing::{Changing, Verdict},
    contents::{Contents, FileStamps},
    due::Due,
    fetchers::Fetchers,
    settling::Settling,
    watch::Folders,
    writes::Writes,
};
pub use self::{initial::InitialBuild, writes::Event};
use super::{Configuration, Publish, Source, SourceName, Stop, Update, crl};
use crate::{
    clock::Clock,
    config::{Input, Problem, settings::Settings},
    load::{Built, Purpose, WantedKeySet, build},
    observe::Reloads,
    site::SiteHandle,
};

/// How often files are checked if no event reports a change.
const POLL: Duration = Duration::from_secs(2);
/// Files that changed while they were read are read again after this time.
const AGAIN: Duration = Duration::from_millis(30);

/// A reason to check the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Something happened in a watched folder.
    Event(Event),
    /// The operator requested a check (SIGHUP).
    Requested,
    /// The edge stops.
    Stop,
}

/// Watches the configuration and all files that it names.
pub struct FileSource {
    config: Input,
    clock: Clock,
    files: BTreeSet<PathBuf>,
    /// The paths of `files` with links resolved, as events name them.
    resolved: BTreeSet<PathBuf>,
    settings: Settings,
    /// The key sets of the active configuration.
    key_sets: Vec<WantedKeySet>,
    /// The active site, from which the next one takes over what is the same.
    site: SiteHandle,
    fetchers: Fetchers,
    reloads: Arc<Reloads>,
    folders: Folders,
    stamps: FileStamps,
    /// What the active configuration was built from.
    active: Contents,
    next: Next,
    /// The files change during every read, since then.
    changing: Option<Changing>,
    /// A check was requested and has not been logged yet.
    requested: bool,
    /// The invalid contents that were reported.
    reported: Option<Contents>,
    due: Due,
    triggers: Receiver<Trigger>,
    sender: Sender<Trigger>,
}

/// What to do next without an event.
enum Next {
    /// Check the metadata now and then.
    Poll,
    /// Read again: the files changed while they were read. What was invalid before may still settle.
    Again(Option<Settling<Contents>>),
    /// Read again, since these invalid contents may change.
    Settle(Settling<Contents>),
}

/// Everything that was read from one state of the files: a site, and what else decides on the reload. No file is read again before
/// it is published or rejected, since a fetch may replace one at any moment.
struct Candidate {
    /// The files' contents, known where they are the same before as after everything was read.
    contents: Contents,
    built: Built,
    /// The CRLs that are missing or invalid.
    missing: Vec<Problem>,
    settling: Option<Settling<Contents>>,
}

impl FileSource {
    /// Its name as a source.
    pub const NAME: &'static str = "files";

    /// The source of the files of the first build.
    #[must_use]
    pub fn new(initial: InitialBuild, reloads: Arc<Reloads>) -> Self {
        let (sender, triggers) = channel();
        let InitialBuild { settings, key_sets, site, clock, config, files, contents, .. } = initial;
        let fetchers = Fetchers::new(&reloads, &clock, site.load().challenges.clone());
        Self {
            config,
            clock,
            stamps: FileStamps::of(&files),
            files,
            resolved: BTreeSet::new(),
            settings,
            key_sets,
            site,
            fetchers,
            reloads,
            folders: Folders::new(sender.clone()),
            active: contents,
            next: Next::Poll,
            changing: None,
            requested: false,
            reported: None,
            due: Due::default(),
            triggers,
            sender,
        }
    }

    /// Where reasons to check the files are sent.
    #[must_use]
    pub fn triggers(&self) -> Sender<Trigger> {
        self.sender.clone()
    }

    /// Begins to watch and to fetch, and publishes what has changed since the first build.
    pub fn begin(&mut self, publisher: &dyn Publish) {
        self.fetch(None);
        self.check(publisher);
    }

    /// Waits for the end of a burst of events. Returns whether the edge continues.
    fn settle(&mut self, first: Trigger) -> bool {
        let mut writes = Writes::new(&self.resolved, Instant::now());
        let mut next = Ok(first);
        loop {
            let now = Instant::now();
            match next {
                Ok(Trigger::Event(event)) => writes.note(event, now),
                Ok(Trigger::Requested) => self.requested = true,
                Ok(Trigger::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let Some(wait) = writes.wait(now) else { return true };
            next = self.triggers.recv_timeout(wait);
        }
    }

    /// Builds a site from the files if they are neither active nor reported as invalid, and publishes it if it is valid.
    fn check(&mut self, publisher: &dyn Publish) {
        if let Some(candidate) = self.read() {
            self.publish(candidate, publisher);
        }
    }

    /// Reads the files if they contain anything new. Gives nothing if they changed meanwhile.
    fn read(&mut self) -> Option<Candidate> {
        self.stamps = FileStamps::of(&self.files);
        self.resolved = self.files.iter().map(|file| links::file(file)).collect();
        self.folders.watch(&self.files);
        let contents = Contents::of(&self.files);
        let settling = match std::mem::replace(&mut self.next, Next::Poll) {
            Next::Settle(settling) => Some(settling),
            Next::Again(settling) => settling,
            Next::Poll => None,
        };
        let is_forced = self.requested || self.due.is_active_due(self.clock.now());
        if !is_forced && contents.include(&self.active) {
            self.recovered();
            return None;
        }
        if !self.requested && self.reported.as_ref() == Some(&contents) {
            self.changing = None;
            return None;
        }
        let current = self.site.load_full();
        let built = build(&self.config, Purpose::Reload(&current), &self.clock);
        self.candidate(contents, built, settling)
    }

    /// What was built from files that had these contents before. Gives nothing if they changed meanwhile.
    fn candidate(
        &mut self,
        contents: Contents,
        built: Built,
        settling: Option<Settling<Contents>>,
    ) -> Option<Candidate> {
        let missing = built.site.as_ref().map(|(settings, site)| {
            crl::missing_after(&settings.trust, &site.trust, &self.site.load().trust, self.clock.now())
        });
        // Files that were named before are watched until a site is active that does not name them.
        self.files.extend(built.files.iter().cloned());
        // If it names others, these contents have more files.
        let later = Contents::of(&self.files);
        if later == contents {
            self.changing = None;
        } else {
            self.next = Next::Again(settling.clone());
            if !self.are_usable_though_changed(&contents, &later) {
                return None;
            }
        }
        let contents = contents.unless_changed(later);
        Some(Candidate { contents, built, missing: missing.unwrap_or_default(), settling })
    }

    /// Whether files that changed while they were read are used nevertheless.
    fn are_usable_though_changed(&mut self, before: &Contents, later: &Contents) -> bool {
        let (now, files) = (Instant::now(), before.files());
        let kept = self.stamps.kept(&files);
        let rewritten: Vec<_> =
            before.differing(later).into_iter().filter(|file| kept.contains(file)).collect();
        match self.changing.get_or_insert(Changing::new(now)).judge(rewritten.is_empty(), now) {
            Verdict::Again => false,
            Verdict::Report => {
                self.report_rejection(&report::rewritten(&rewritten));
                false
            }
            Verdict::Use => {
                self.changing = None;
                tracing::warn!("files change whenever they are read; using what was read last");
                true
            }
        }
    }

    fn publish(&mut self, candidate: Candidate, publisher: &dyn Publish) {
        let Candidate { contents, built, missing, settling } = candidate;
        let Some((settings, site)) = built.site else {
            return self.reject(contents, settling, &built.problems);
        };
        let next = (&settings, &*built.key_sets);
        let mut unfit = restart::needed(&self.settings, &settings);
        unfit.extend(missing);
        if !unfit.is_empty() {
            // The active sources are still fetched; the missing file may be a CRL.
            self.fetch(Some(next));
            return self.reject(contents, settling, &unfit);
        }
        let named = contents.clone().only(&built.files);
        let why = self.why(&named);
        self.fetchers.fetch(&[next]);
        report::warnings(&built.problems);
        let update = Update::Configuration(Configuration { site: Box::new(site), why });
        // Read before the update is published: the other source may give way as soon as it is rejected.
        let generation = self.site.load().generation;
        if let Err(conflict) = publisher.publish(update) {
            self.fetch(Some(next));
            self.due.set_conflicted(generation);
            return self.reject(contents, settling, &[report::conflict(&settings, &conflict)]);
        }
        self.reloads.set_start_failure(report::of_start(&built.problems));
        self.due = Due::published(&built.problems);
        self.watch_only(built.files);
        self.settings = settings;
        self.key_sets = built.key_sets;
        self.active = named;
        self.requested = false;
        self.reported = None;
    }

    /// Reads invalid contents again that may be valid by now, without a change. Returns whether they may.
    fn forget_if_valid(&mut self) -> bool {
        let may_be_valid = self.due.take_rejected(self.clock.now(), self.site.load().generation);
        self.reported.take_if(|_| may_be_valid);
        may_be_valid
    }

    /// Whether the active configuration is to be built again, unless the files contain another one that was rejected.
    fn is_active_due(&self) -> bool {
        self.reported.is_none() && self.due.is_active_due(self.clock.now())
    }

    /// From now on watches these files only. Their stamps stay those of before they were read, so that a change since then is
    /// noticed.
    fn watch_only(&mut self, files: BTreeSet<PathBuf>) {
        self.stamps = std::mem::take(&mut self.stamps).only(&self.files, &files);
        self.files = files;
    }

    /// The active site stays. Invalid contents are reported once, and only if they are not half of a change.
    fn reject(&mut self, contents: Contents, before: Option<Settling<Contents>>, problems: &[Problem]) {
        self.due.set_rejected(problems);
        let now = Instant::now();
        let settling = Settling::of(contents, before, now);
        if !self.requested && settling.wait(now).is_some() {
            self.next = Next::Settle(settling);
            return;
        }
        self.report_rejection(&report::errors(problems));
        self.reported = Some(settling.into_contents());
    }

    fn report_rejection(&mut self, problems: &str) {
        self.reloads.failed(problems.to_owned());
        tracing::error!(problems, "reload rejected; keeping the active configuration");
        self.requested = false;
    }

    /// The files match the active configuration, again or still. Other files that a rejected configuration named are forgotten.
    fn recovered(&mut self) {
        self.watch_only(self.active.files());
        self.fetch(None);
        (self.reported, self.changing) = (None, None);
        if self.reloads.recovered() {
            tracing::info!("configuration files match the active configuration again");
        }
    }

    /// Fetches the documents of the active configuration, and of another one that may replace it.
    fn fetch(&mut self, other: Option<(&Settings, &[WantedKeySet])>) {
        let active = (&self.settings, &*self.key_sets);
        let wanted: Vec<_> = [active].into_iter().chain(other).collect();
        self.fetchers.fetch(&wanted);
    }

    fn why(&self, contents: &Contents) -> String {
        let changed: Vec<String> = self
            .active
            .differing(contents)
            .into_iter()
            .map(|file| file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned())
            .collect();
        if changed.is_empty() {
            let why = if self.requested { "requested" } else { "a start may no longer be prevented" };
            return why.to_owned();
        }
        report::changed(&changed)
    }
}

impl Source for FileSource {
    fn name(&self) -> SourceName {
        SourceName::new(Self::NAME)
    }

    fn stop(&self) -> Stop {
        let triggers = self.sender.clone();
        // An error means that it has stopped already.
        Box::new(move || drop(triggers.send(Trigger::Stop)))
    }

    fn run(mut self: Box<Self>, publisher: &dyn Publish) {
        loop {
            let wait = match &self.next {
                Next::Poll => POLL,
                Next::Again(_) => AGAIN,
                Next::Settle(settling) => settling.wait(Instant::now()).unwrap_or_default(),
            };
            match self.triggers.recv_timeout(wait) {
                Ok(Trigger::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(trigger) => {
                    if !self.settle(trigger) {
                        return;
                    }
                    // Events may be too frequent for a poll.
                    self.forget_if_valid();
                    self.check(publisher);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let is_due = self.forget_if_valid() || self.is_active_due();
                    let is_due = is_due || !matches!(self.next, Next::Poll);
                    if is_due || FileStamps::of(&self.files) != self.stamps {
                        self.check(publisher);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
