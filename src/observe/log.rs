//! Log lines on standard error. No thread that logs waits for it: a thread of its own writes.

mod filter;
mod queue;
mod settings;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    cell::RefCell,
    env,
    io::{self, Write},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tracing_subscriber::EnvFilter;

pub use self::filter::{InvalidFilter, log_filter, usual_filter};
use self::queue::Queue;
pub use self::settings::{LogFormat, LogSettings};
use super::{
    colours, escape,
    metrics::{Families, LOG_LINES_DROPPED},
};

/// Lines that a thread has gathered are handed over when there are so many bytes of them.
const BATCH: usize = 16 * 1024;

/// At the end of the process, what waits to be written gets so long.
const FINISH: Duration = Duration::from_secs(1);

static QUEUE: Queue = Queue::new();

/// Starts the thread that writes to standard error, if it is not there yet.
///
/// Fails if it can't be started.
pub fn start() -> io::Result<()> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*started {
        QUEUE.has_writer();
        std::thread::Builder::new().name("log".to_owned()).spawn(|| QUEUE.write_to(&mut io::stderr()))?;
        *started = true;
    }
    Ok(())
}

/// Writes text for a person to standard error, after the lines that wait: through the thread that writes them where there is one, so
/// that nobody waits for long.
pub fn write_text(text: &str) {
    flush();
    if QUEUE.is_written() {
        // The problems of a large registry are more than the queue holds.
        for part in text.as_bytes().chunks(BATCH) {
            QUEUE.push(part);
            if !QUEUE.finish(FINISH) {
                break;
            }
        }
    } else {
        // There is nowhere to report that it can't be written.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// Sets up logging for the process; the environment's `RUST_LOG` wins over the configuration. A second call has no effect.
///
/// Fails if the thread that writes can't be started.
pub fn init(log: &LogSettings) -> io::Result<()> {
    let has_colours = log.format == LogFormat::Text && colours::has_colours(&io::stderr());
    if FORMAT.set(log.format).is_err() {
        return Ok(());
    }
    let _ = HAS_COLOURS.set(has_colours);
    start()?;
    std::panic::set_hook(Box::new(log_panic));
    let (from_environment, wrong) = match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) if text.trim().is_empty() => (None, None),
        Ok(text) => match usual_filter(&text) {
            Ok(filter) => (Some(filter), None),
            Err(why) => (None, Some(why.to_string())),
        },
        Err(env::VarError::NotPresent) => (None, None),
        Err(env::VarError::NotUnicode(_)) => (None, Some("found what is not UTF-8".to_owned())),
    };
    let filter = EnvFilter::try_new(from_environment.as_ref().unwrap_or(&log.level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines);
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(has_colours).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    if let Some(why) = wrong {
        tracing::warn!("RUST_LOG: {why}; ignored; using [log] level = {:?}", log.level);
    }
    Ok(())
}

/// The standard hook writes to standard error itself, and would wait for its reader.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let thread = std::thread::current();
    tracing::error!(thread = thread.name(), %panic, backtrace, "a thread panicked");
}

/// Waits a moment at most for lines that are not written yet. To be called before the process ends, and before anything else is
/// written to standard error.
pub fn finish() {
    flush();
    QUEUE.finish(FINISH);
}

/// Log lines that were dropped since the start: nobody read them fast enough, or they could not be written.
pub(crate) fn dropped() -> u64 {
    QUEUE.dropped()
}

/// The metrics of the log.
pub(crate) fn collect(families: &mut Families) {
    families.set(&LOG_LINES_DROPPED, [], dropped());
}

/// Of the lines; set once for the process.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();
/// Whether tracing's lines have escape sequences for a terminal.
static HAS_COLOURS: OnceLock<bool> = OnceLock::new();

/// What a thread has not handed over yet; handed over when the thread ends, too.
struct Gathered(Vec<u8>);

thread_local! {
    /// None on threads that hand over each line at once.
    static GATHERED: RefCell<Option<Gathered>> = const { RefCell::new(None) };
}

/// From now on this thread's lines are gathered, so that the lines of several requests are handed over at once. A caller
/// calls [`flush`] before the thread waits for anything, so that no line does.
pub(crate) fn gather() {
    GATHERED.with_borrow_mut(|gathered| *gathered = Some(Gathered(Vec::with_capacity(BATCH))));
}

/// Hands over what this thread has gathered.
pub(crate) fn flush() {
    GATHERED.with_borrow_mut(|gathered| gathered.iter_mut().for_each(Gathered::flush));
}

impl Gathered {
    fn flush(&mut self) {
        if !self.0.is_empty() {
            QUEUE.push(&self.0);
            self.0.clear();
        }
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Whether lines have colours.
pub(super) fn has_colours() -> bool {
    HAS_COLOURS.get().copied().unwrap_or_default()
}

/// Writes what `make` appends, a whole line in this form.
pub(super) fn line(make: impl FnOnce(&mut Vec<u8>, LogFormat)) {
    let format = FORMAT.get().copied().unwrap_or_default();
    let mut make = Some(make);
    // A thread that ends has nowhere to gather lines any more.
    let _ = GATHERED.try_with(|gathered| {
        if let Some(gathered) = &mut *gathered.borrow_mut()
            && let Some(make) = make.take()
        {
            make(&mut gathered.0, format);
            if gathered.0.len() >= BATCH {
                gathered.flush();
            }
        }
    });
    if let Some(make) = make {
        let mut line = Vec::new();
        make(&mut line, format);
        QUEUE.push(&line);
    }
}

/// Takes tracing's lines, a whole one a call.
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
