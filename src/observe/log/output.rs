//! Where log lines are written: standard error, a file, or both.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::fs::OFlags;

use super::{
    failing,
    journal::Priorities,
    queue::{Sink, lines},
    watch::{Found, Watch},
};

/// The permissions of a new log file.
const MODE: u32 = 0o640;

/// The outputs, which may be replaced at any time. The lock is held only to read or replace them, never during a write.
#[derive(Debug)]
pub(super) struct Output(Mutex<Outputs>);

#[derive(Clone, Debug)]
struct Outputs {
    has_standard_error: bool,
    file: Option<Arc<LogFile>>,
}

/// An open log file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Whether its path is a symbolic link.
    is_link: bool,
}

impl LogFile {
    /// Opens a log file to append to it, and creates it if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path, OFlags::empty())?;
        let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
        Ok(Self { path: path.to_owned(), file, is_link })
    }

    /// Opens what is at the path now. Follows no link that was not there before: it could lead to any file.
    fn again(&self) -> io::Result<Self> {
        let flags = if self.is_link { OFlags::empty() } else { OFlags::NOFOLLOW };
        Ok(Self { path: self.path.clone(), file: open(&self.path, flags)?, is_link: self.is_link })
    }
}

impl Output {
    /// Standard error.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Outputs { has_standard_error: true, file: None }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Outputs) -> T) -> T {
        // Nothing can panic between two changes that belong together.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes to standard error from now on, or no longer.
    pub(super) fn set_standard_error(&self, is_used: bool) {
        self.with(|outputs| outputs.has_standard_error = is_used);
    }

    /// Writes to this file from now on. Another one is closed once its last batch is written.
    pub(super) fn set_file(&self, file: LogFile) {
        self.with(|outputs| outputs.file = Some(Arc::new(file)));
    }
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Without waiting for the reader of a pipe.
    options
        .append(true)
        .mode(MODE)
        .custom_flags(i32::try_from((OFlags::NONBLOCK | flags).bits()).unwrap_or_default());
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // Whatever the umask is.
            file.set_permissions(Permissions::from_mode(MODE))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// The writer thread's view of the outputs.
#[derive(Debug, Default)]
pub(super) struct Writers {
    standard_error: Sink,
    priorities: Priorities,
    file: Option<(Arc<LogFile>, Sink)>,
    watch: Watch,
    failure: FileFailure,
}

/// The time from the first line that a log file lacks to the first that is written again.
#[derive(Debug, Default)]
struct FileFailure {
    /// Lines that it lacks, while it fails.
    lost: u64,
    /// When it was last reported. A disk on the verge of being full fails again and again.
    reported: Option<Instant>,
    /// Whether the current failure was reported.
    is_reported: bool,
}

/// The least time between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(60);

impl FileFailure {
    /// Reports the beginning and the end of a failure, by the number of lines of a batch that could not be written.
    fn record(&mut self, path: &Path, lost: u64, error: Option<&io::Error>) {
        match (self.lost, lost) {
            (0, 0) => {}
            (0, _) => {
                self.lost = lost;
                let why = error.map_or_else(|| "it accepts nothing".to_owned(), ToString::to_string);
                failing::set_unwritable(Some(format!(
                    "the log file {} cannot be written, its lines are lost: {why}",
                    path.display()
                )));
                self.is_reported = self.reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY);
                if self.is_reported {
                    self.reported = Some(Instant::now());
                    tracing::warn!(
                        file = %path.display(), error = error.map(tracing::field::display),
                        "cannot write the log file: its lines are lost until it can be written again"
                    );
                }
            }
            (before, 0) => {
                self.lost = 0;
                failing::set_unwritable(None);
                if self.is_reported {
                    tracing::warn!(file = %path.display(), lost = before, "the log file is written again");
                }
            }
            (before, _) => self.lost = before.saturating_add(lost),
        }
    }
}

impl Writers {
    /// Opens the file again if its path has led elsewhere for longer than a rotation takes.
    fn reopen_if_lost(&mut self, output: &Output, now: Instant) {
        let Some((open, _)) = &self.file else { return };
        let path = open.path.display();
        match self.watch.look(&open.file, &open.path, now) {
            Found::Undecided => {}
            Found::Same => {
                failing::set_lost(None);
            }
            Found::Lost => match open.again() {
                Ok(file) => {
                    output.set_file(file);
                    failing::set_lost(None);
                    tracing::warn!(file = %path, "the log file was renamed or deleted over a minute ago, without SIGUSR1: opened again");
                }
                Err(error) => {
                    let what = format!(
                        "the log file {path} was renamed or deleted, and cannot be opened again: {error}"
                    );
                    if failing::set_lost(Some(what)) {
                        tracing::error!(file = %path, %error, "the log file was renamed or deleted, and cannot be opened again");
                    }
                }
            },
        }
    }

    /// Writes whole lines to each output, if there are any, and returns how many are missing from one of them. `own` has the lines that this thread itself
    /// has logged: they go to standard error, whatever the outputs are, since they are about the file.
    pub(super) fn write(&mut self, output: &Output, batch: &[u8], own: impl FnOnce() -> Vec<u8>) -> u64 {
        self.reopen_if_lost(output, Instant::now());
        let Outputs { has_standard_error, file } = output.with(|outputs| outputs.clone());
        let mut lost = 0;
        if has_standard_error && !batch.is_empty() {
            lost = self.standard_error.write(&mut io::stderr(), &self.priorities.of(batch));
        }
        let error = self.standard_error.error().filter(|_| has_standard_error);
        failing::set_closed(
            error.map(|error| format!("standard error cannot be written, its lines are lost: {error}")),
        );
        let is_open =
            |(open, _): &(Arc<LogFile>, Sink)| file.as_ref().is_some_and(|file| Arc::ptr_eq(open, file));
        if !self.file.as_ref().is_some_and(is_open) {
            self.file = file.map(|file| (file, Sink::default()));
            self.watch = Watch::default();
        }
        if let Some((file, sink)) = &mut self.file {
            if !batch.is_empty() {
                let missing = sink.write(&mut &file.file as &mut dyn Write, batch);
                lost = lost.max(missing);
                self.failure.record(&file.path, missing, sink.error());
            }
            let own = own();
            if !own.is_empty() {
                self.standard_error.write(&mut io::stderr(), &self.priorities.of(&own));
                sink.write(&mut &file.file as &mut dyn Write, &own);
            }
        }
        if !has_standard_error && self.file.is_none() { lines(batch) } else { lost }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn no_link_that_appears_later_is_followed() {
        let folder = tempfile::TempDir::new().unwrap();
        let [log, planted, secret] =
            ["edge.log", "edge.log.1", "secret"].map(|name| folder.path().join(name));
        fs::write(&secret, "").unwrap();
        let file = LogFile::open(&log).unwrap();
        fs::rename(&log, &planted).unwrap();
        symlink(&secret, &log).unwrap();
        assert_eq!(file.again().unwrap_err().raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
        fs::remove_file(&log).unwrap();
        file.again().unwrap();
        assert!(!log.symlink_metadata().unwrap().is_symlink());
        // One that was there when the edge started is what the operator wants.
        fs::remove_file(&log).unwrap();
        symlink(&secret, &log).unwrap();
        LogFile::open(&log).unwrap().again().unwrap().file.write_all(b"line\n").unwrap();
        assert_eq!(fs::read(&secret).unwrap(), b"line\n");
    }

    #[test]
    fn a_lost_file_that_cannot_be_opened_is_a_problem() {
        let folder = tempfile::TempDir::new().unwrap();
        let [logs, moved] = ["logs", "moved"].map(|name| folder.path().join(name));
        fs::create_dir(&logs).unwrap();
        let output = Output::new();
        output.set_standard_error(false);
        output.set_file(LogFile::open(&logs.join("edge.log")).unwrap());
        let (mut writers, start) = (Writers::default(), Instant::now());
        writers.write(&output, b"first\n", Vec::new);
        fs::rename(&logs, &moved).unwrap();
        let mut look = |seconds| writers.reopen_if_lost(&output, start + Duration::from_secs(seconds));
        let problem =
            || failing::now().map(|failure| failure.what).find(|what| what.contains("renamed or deleted"));
        for (seconds, is_reported) in [(10, false), (69, false), (71, true), (80, true)] {
            look(seconds);
            assert_eq!(problem().is_some_and(|what| what.contains("No such file")), is_reported, "{seconds}");
        }
        fs::create_dir(&logs).unwrap();
        look(90);
        assert_eq!(problem(), None);
        writers.write(&output, b"second\n", Vec::new);
        assert_eq!(fs::read(logs.join("edge.log")).unwrap(), b"second\n");
        assert_eq!(fs::read(moved.join("edge.log")).unwrap(), b"first\n");
    }
}
