//! The reloader: a thread that waits for a reason to look, looks, and swaps.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    First,
    contents::{Contents, Marks},
    fetch::{self, Fetcher},
    restart,
    watch::Folders,
};
use crate::{
    config::{Problem, Severity, settings::Settings},
    observe::Reloads,
    site::{Changes, SiteHandle, build},
    trust::Generation,
};

/// A burst of events is over when none came for so long.
const QUIET: Duration = Duration::from_millis(30);
/// However long a burst, after so long it is looked at.
const BURST: Duration = Duration::from_millis(300);
/// What does not validate counts as broken only if it stays so for so long: it may be half of a change.
const DOUBT: Duration = Duration::from_millis(250);
/// How often files are looked at where no event tells of them.
const POLL: Duration = Duration::from_secs(2);

/// A file that was written to and not closed yet is waited for, so long after the last write.
const OPEN: Duration = Duration::from_secs(2);

/// A reason to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Something happened in a watched folder.
    Event,
    /// A file was written to; its writer may have more.
    Written(PathBuf),
    /// A file was closed by its writer, or is another one now.
    Whole(PathBuf),
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
    /// Starts watching `config` and all that it names. `first` gave the `settings` and the site in force.
    pub fn start(
        config: &Path,
        first: First,
        settings: Settings,
        site: SiteHandle,
        reloads: Arc<Reloads>,
    ) -> std::io::Result<Self> {
        let (triggers, reasons) = channel();
        let files = first.built.files;
        let mut folders = Folders::new(triggers.clone());
        folders.watch(&files);
        let mut watch = Watch {
            config: config.to_owned(),
            marks: Marks::of(&files),
            files,
            settings,
            site,
            fetcher: Fetcher::new(Arc::clone(&reloads)),
            reloads,
            folders,
            in_force: first.contents,
            next: Next::Poll,
            told: None,
        };
        watch.fetcher.want(&watch.settings.trust);
        // What changed between the first build and the begin of the watch, before anybody is told that the edge is there.
        watch.look(false);
        let thread =
            std::thread::Builder::new().name("reload".to_owned()).spawn(move || watch.run(&reasons))?;
        Ok(Self { triggers, thread: Some(thread) })
    }

    /// Where reasons to look can be sent from elsewhere.
    #[must_use]
    pub fn triggers(&self) -> Sender<Trigger> {
        self.triggers.clone()
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
    settings: Settings,
    site: SiteHandle,
    /// Fetches the lists that are named by URL.
    fetcher: Fetcher,
    reloads: Arc<Reloads>,
    folders: Folders,
    marks: Marks,
    /// What the site in force was built from.
    in_force: Contents,
    next: Next,
    /// The broken contents that were told of.
    told: Option<Contents>,
}

/// What is to be done if nothing happens.
enum Next {
    /// Look from outside, now and then.
    Poll,
    /// Read again: the files changed while they were read.
    Again,
    /// Look whether these contents, which do not validate, are still there.
    Doubt(Contents),
}

impl Watch {
    fn run(mut self, reasons: &Receiver<Trigger>) {
        loop {
            let wait = match self.next {
                Next::Poll => POLL,
                Next::Again => QUIET,
                Next::Doubt(_) => DOUBT,
            };
            match reasons.recv_timeout(wait) {
                Ok(Trigger::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(trigger) => match self.settle(reasons, trigger) {
                    Some(asked) => self.look(asked),
                    None => return,
                },
                Err(RecvTimeoutError::Timeout) => {
                    if !matches!(self.next, Next::Poll) || Marks::of(&self.files) != self.marks {
                        self.look(false);
                    }
                }
            }
        }
    }

    /// Builds from what stands there now, if that is neither in force nor told to be broken.
    fn look(&mut self, asked: bool) {
        self.marks = Marks::of(&self.files);
        self.folders.watch(&self.files);
        let contents = Contents::of(&self.files);
        let doubted = match std::mem::replace(&mut self.next, Next::Poll) {
            Next::Doubt(doubted) => doubted == contents,
            Next::Poll | Next::Again => false,
        };
        if !asked && contents == self.in_force {
            return self.mended();
        }
        if !asked && self.told.as_ref() == Some(&contents) {
            return;
        }
        let current = self.site.load_full();
        let built = build(&self.config, Generation(current.trust.generation.0 + 1), Some(&current));
        let named_anew = !built.files.is_subset(&self.files);
        // What was named before is watched on until a site is in force that does not name it.
        self.files.extend(built.files.iter().cloned());
        if named_anew || Contents::of(&self.files) != contents {
            self.next = Next::Again;
            return;
        }
        match built.site {
            Some((settings, site)) => {
                self.fetcher.want(&settings.trust);
                let mut unfit = restart::needed(&self.settings, &settings);
                unfit.extend(fetch::still_missing(&settings.trust));
                if !unfit.is_empty() {
                    return self.fail(contents, asked || doubted, &unfit);
                }
                for problem in &built.problems {
                    tracing::warn!("{problem}");
                }
                self.files = built.files;
                let contents = contents.only(&self.files);
                let why = self.why(&contents, asked);
                let changes = Changes::between(&current, &site);
                let generation = site.trust.generation;
                self.site.store(Arc::new(site));
                self.reloads.succeeded(why.clone());
                tracing::info!(generation = generation.0, why, changes = %changes, "reloaded");
                self.settings = settings;
                self.in_force = contents;
                self.told = None;
                self.marks = Marks::of(&self.files);
            }
            None => self.fail(contents, asked || doubted, &built.problems),
        }
    }

    /// The old site stays. What does not validate is told once, and only if it is `sure` not to be half of a change.
    fn fail(&mut self, contents: Contents, sure: bool, problems: &[Problem]) {
        if !sure {
            self.next = Next::Doubt(contents);
            return;
        }
        let errors: Vec<String> = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .map(ToString::to_string)
            .collect();
        let told = errors.join(" | ");
        tracing::error!(problems = told, "reload refused: the former trust stays in force");
        self.reloads.failed(told);
        self.told = Some(contents);
    }

    /// The files say again what is in force.
    fn mended(&mut self) {
        if self.told.take().is_some() {
            self.reloads.mended();
            tracing::info!("the files say again what is in force");
        }
    }

    fn why(&self, contents: &Contents, asked: bool) -> String {
        let changed: Vec<String> = self
            .in_force
            .differing(contents)
            .into_iter()
            .map(|file| file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned())
            .collect();
        if changed.is_empty() && asked {
            "asked for".to_owned()
        } else {
            format!("changed: {}", changed.join(", "))
        }
    }

    /// Waits for the end of a burst of events. Whether the operator asked; `None` if the edge ends.
    fn settle(&self, reasons: &Receiver<Trigger>, first: Trigger) -> Option<bool> {
        let (start, mut asked) = (Instant::now(), false);
        // By name, since a file may be reached by several paths.
        let watched = |path: &Path| self.files.iter().any(|file| file.file_name() == path.file_name());
        let mut open: BTreeSet<PathBuf> = BTreeSet::new();
        let mut next = Ok(first);
        loop {
            match next {
                Ok(Trigger::Written(path)) if watched(&path) => drop(open.insert(path)),
                Ok(Trigger::Event | Trigger::Written(_)) => {}
                Ok(Trigger::Whole(path)) => drop(open.remove(&path)),
                Ok(Trigger::Asked) => asked = true,
                Ok(Trigger::Stop) | Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => return Some(asked),
            }
            let (quiet, burst) = if open.is_empty() { (QUIET, BURST) } else { (OPEN, 3 * OPEN) };
            if start.elapsed() >= burst {
                return Some(asked);
            }
            next = reasons.recv_timeout(quiet);
        }
    }
}
