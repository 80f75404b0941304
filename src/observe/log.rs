//! Log lines on standard error.

use std::{
    cell::RefCell,
    io::{self, Write},
    sync::OnceLock,
};

use tracing_subscriber::EnvFilter;

use super::escape;
use crate::config::settings::{Log, LogFormat};

/// Lines that a thread has gathered are written when there are so many bytes of them.
const BATCH: usize = 16 * 1024;

/// Sets up logging for the process; the environment's `RUST_LOG` wins over the configuration. A second call has no effect.
pub fn init(log: &Log) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines);
    let has_colours = log.format == LogFormat::Text && io::IsTerminal::is_terminal(&io::stderr());
    let _ = (FORMAT.set(log.format), HAS_COLOURS.set(has_colours));
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(has_colours).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
}

/// Of the lines; set once for the process.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();
/// Whether tracing's lines have escape sequences for a terminal.
static HAS_COLOURS: OnceLock<bool> = OnceLock::new();

/// What a thread has not written yet; written when the thread ends, too.
struct Gathered(Vec<u8>);

thread_local! {
    /// None on threads that write each line at once.
    static GATHERED: RefCell<Option<Gathered>> = const { RefCell::new(None) };
}

/// From now on this thread's lines are gathered, so that one system call writes the lines of several requests. Whoever asks for that
/// calls [`flush`] before the thread waits for anything, so that no line does.
pub(crate) fn gather() {
    GATHERED.with_borrow_mut(|gathered| *gathered = Some(Gathered(Vec::with_capacity(BATCH))));
}

/// Writes what this thread has gathered.
pub(crate) fn flush() {
    GATHERED.with_borrow_mut(|gathered| gathered.iter_mut().for_each(Gathered::flush));
}

impl Gathered {
    fn flush(&mut self) {
        if !self.0.is_empty() {
            // Nobody is left to tell of a standard error that can't be written.
            let _ = io::stderr().write_all(&self.0);
            self.0.clear();
        }
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.flush();
    }
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
        // Nobody is left to tell of a standard error that can't be written.
        let _ = io::stderr().write_all(&line);
    }
}

/// Takes tracing's lines, a whole one a call.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        line(|line, format| {
            let has_colours = HAS_COLOURS.get().copied().unwrap_or_default();
            line.extend_from_slice(&escape::line(bytes, format, has_colours));
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
