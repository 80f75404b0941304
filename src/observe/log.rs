//! Log lines on standard error and in a file. A dedicated thread writes them, so that a thread that logs never blocks.

mod access_format;
mod failing;
mod filter;
mod journal;
mod line_limit;
mod output;
mod queue;
mod sampling;
mod settings;
mod watch;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    cell::RefCell,
    env,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tracing_subscriber::EnvFilter;

pub use self::access_format::{AccessFormat, InvalidFormat};
pub(in crate::observe) use self::access_format::{CLF_TIME, LEVEL, Part, TIMESTAMP};
pub use self::filter::{InvalidFilter, log_filter, usual_filter};
pub use self::line_limit::{LineLimit, LineLimits};
pub(crate) use self::sampling::sample;
pub use self::settings::{LogFormat, LogSettings, LogTarget};
use self::{
    failing::LogFailure,
    output::{LogFile, Output, Writers},
    queue::Queue,
};
use super::{
    colours, escape,
    metrics::{Collector, Families, LOG_LINES_DROPPED, Totals},
    panics,
};

/// The size in bytes at which a thread passes its batch of lines to the queue.
const BATCH: usize = 16 * 1024;

/// How long [`finish`] waits for queued lines.
const FINISH: Duration = Duration::from_secs(1);

static QUEUE: Queue = Queue::new();
static OUTPUT: Output = Output::new();

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The writer thread cannot be started.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(io::Error),
    /// The log file cannot be opened.
    #[error("cannot open the log file: {0}")]
    File(io::Error),
    /// `RUST_LOG` is not a filter.
    #[error(
        "the environment variable RUST_LOG is invalid: {0}; fix it or unset it: [log] level applies without it"
    )]
    Environment(String),
}

/// Starts the thread that writes the log, unless it runs already.
///
/// Fails if the thread cannot be started.
pub fn start() -> io::Result<()> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*started {
        QUEUE.set_writer();
        std::thread::Builder::new().name("log".to_owned()).spawn(|| {
            // What this thread logs itself must not wait behind the queue.
            enable_batching();
            let mut writers = Writers::default();
            QUEUE.drain(|batch| writers.write(&OUTPUT, batch, take_batch));
        })?;
        *started = true;
    }
    Ok(())
}

/// Writes text to standard error after the queued lines, for the person who has started the program: later lines are also written there.
/// Through the writer thread if there is one, so that the caller does not
/// block for long.
pub fn write_text(text: &str) {
    finish();
    OUTPUT.set_standard_error(true);
    if QUEUE.has_writer() {
        // The problems of a large registry can exceed the queue's capacity.
        for part in text.as_bytes().chunks(BATCH) {
            QUEUE.push(part);
            if !QUEUE.finish(FINISH) {
                break;
            }
        }
    } else {
        // There is nowhere else to report that it cannot be written.
        let _ = io::stderr().write_all(&journal::prioritized(text.as_bytes()));
    }
}

/// The filter of `RUST_LOG`, if that is set.
fn environment_filter() -> Result<Option<String>, LogError> {
    match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => usual_filter(&text).map(Some).map_err(|why| LogError::Environment(why.to_string())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(LogError::Environment("found invalid UTF-8".to_owned())),
    }
}

/// Sets up logging for the process. `RUST_LOG` overrides the configuration. A second call has no effect.
///
/// Fails if the writer thread cannot be started, the log file cannot be opened, or `RUST_LOG` is invalid.
pub fn init(log: &LogSettings) -> Result<(), LogError> {
    let from_environment = environment_filter()?;
    let is_for_people = log.format == LogFormat::Text && log.to == LogTarget::StandardError;
    let has_colours = is_for_people && colours::has_colours(&io::stderr());
    if FORMAT.set(log.format).is_err() {
        return Ok(());
    }
    let _ = ACCESS_FORMAT.set(log.access_format.clone());
    let _ = HAS_COLOURS.set(has_colours);
    let _ = IS_TERMINAL.set(is_for_people && io::stderr().is_terminal());
    sampling::set(log.successes);
    start().map_err(LogError::Thread)?;
    if let Some(path) = log.to.file() {
        OUTPUT.set_file(LogFile::open(path).map_err(LogError::File)?);
        let _ = FILE.set(path.to_owned());
        // What was printed before goes to standard error.
        finish();
        OUTPUT.set_standard_error(log.to.has_standard_error());
    }
    std::panic::set_hook(Box::new(log_panic));
    let filter = EnvFilter::try_new(from_environment.as_ref().unwrap_or(&log.level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines);
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(has_colours).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    Ok(())
}

/// Opens the log file again, as after a rotation. If it cannot be opened, the former one stays open.
pub fn reopen() {
    let Some(path) = FILE.get() else {
        return tracing::info!(
            signal = "SIGUSR1",
            "ignored: the log goes to standard error, so there is no file to reopen"
        );
    };
    match LogFile::open(path) {
        Ok(file) => {
            finish();
            OUTPUT.set_file(file);
            tracing::info!(file = %path.display(), "log file reopened");
        }
        Err(error) => {
            tracing::error!(file = %path.display(), %error, "cannot reopen the log file; still writing to the former one");
        }
    }
}

/// The standard panic hook would write to standard error itself, and block if nobody reads it.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    panics::note();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let thread = std::thread::current();
    tracing::error!(thread = thread.name(), %panic, backtrace, "a thread panicked");
}

/// Waits briefly until queued lines are written. Must be called before the process ends, and before other output to standard
/// error.
pub fn finish() {
    flush();
    QUEUE.finish(FINISH);
}

/// The number of log lines dropped since the start, because nobody read them fast enough or they could not be written.
pub(crate) fn dropped() -> u64 {
    QUEUE.dropped()
}

/// What keeps log lines from the log file now.
pub(crate) fn failures() -> impl Iterator<Item = LogFailure> {
    failing::now()
}

/// The metrics of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogMetrics;

impl Collector for LogMetrics {
    fn collect(&self, families: &mut Families) {
        families.set(&LOG_LINES_DROPPED, [], dropped());
        panics::collect(families);
    }

    fn add_to(&self, totals: &mut Totals) {
        totals.log_lines_unread += QUEUE.overflowed();
    }
}

/// The format of the lines, set once per process.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();
/// The operator's own format of access log lines, set once per process.
static ACCESS_FORMAT: OnceLock<Option<AccessFormat>> = OnceLock::new();
/// The log file, set once per process; none if lines go to standard error only.
static FILE: OnceLock<PathBuf> = OnceLock::new();
/// Whether lines are text on a terminal, set once per process.
static IS_TERMINAL: OnceLock<bool> = OnceLock::new();
/// Whether lines are coloured, set once per process.
static HAS_COLOURS: OnceLock<bool> = OnceLock::new();

/// The lines that a thread has not passed to the queue yet. Dropping it passes them on.
struct Batch(Vec<u8>);

thread_local! {
    /// `None` on threads that queue each line at once.
    static BATCHED: RefCell<Option<Batch>> = const { RefCell::new(None) };
}

/// Starts batching this thread's lines, so that the lines of several requests are queued together. The caller must call
/// [`flush`] before the thread waits for anything.
pub(crate) fn enable_batching() {
    BATCHED.with_borrow_mut(|batch| *batch = Some(Batch(Vec::with_capacity(BATCH))));
}

/// Queues this thread's batch of lines.
pub(crate) fn flush() {
    BATCHED.with_borrow_mut(|batch| batch.iter_mut().for_each(Batch::flush));
}

/// Takes this thread's batch of lines.
fn take_batch() -> Vec<u8> {
    BATCHED
        .with_borrow_mut(|batch| batch.as_mut().map(|batch| std::mem::take(&mut batch.0)).unwrap_or_default())
}

impl Batch {
    fn flush(&mut self) {
        if !self.0.is_empty() {
            QUEUE.push(&self.0);
            self.0.clear();
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The format of lines.
pub(super) fn format() -> LogFormat {
    FORMAT.get().copied().unwrap_or_default()
}

/// The operator's own format of access log lines, if there is one.
pub(super) fn access_format() -> Option<&'static AccessFormat> {
    ACCESS_FORMAT.get().and_then(Option::as_ref)
}

/// Whether lines are text for people on a terminal.
pub(super) fn is_terminal() -> bool {
    IS_TERMINAL.get().copied().unwrap_or_default()
}

/// Whether lines have colours.
pub(super) fn has_colours() -> bool {
    HAS_COLOURS.get().copied().unwrap_or_default()
}

/// Writes the line that `make` appends in the format it is given.
pub(super) fn line(make: impl FnOnce(&mut Vec<u8>, LogFormat)) {
    let format = format();
    let mut make = Some(make);
    // A thread that is ending has no batch any more.
    let _ = BATCHED.try_with(|batch| {
        if let Some(batch) = &mut *batch.borrow_mut()
            && let Some(make) = make.take()
        {
            make(&mut batch.0, format);
            if batch.0.len() >= BATCH {
                batch.flush();
            }
        }
    });
    if let Some(make) = make {
        let mut line = Vec::new();
        make(&mut line, format);
        QUEUE.push(&line);
    }
}

/// The writer that tracing formats into: each call is one whole line.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        line(|line, format| {
            line.extend_from_slice(&escape::line(bytes, format, has_colours()));
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
