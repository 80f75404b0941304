//! Log lines on standard error.

use std::{
    cell::RefCell,
    io::{self, Write},
};

use tracing_subscriber::EnvFilter;

use crate::config::settings::{Log, LogFormat};

/// Lines that a thread has gathered are written when there are so many bytes of them.
const BATCH: usize = 16 * 1024;

/// Sets up logging for the process; the environment's `RUST_LOG` wins over the configuration. A second call has no effect.
pub fn init(log: &Log) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines);
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
}

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

/// Takes whole lines, one a call.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A thread that ends has nowhere to gather lines any more.
        let is_gathered = GATHERED.try_with(|gathered| {
            let mut gathered = gathered.borrow_mut();
            let Some(gathered) = &mut *gathered else { return false };
            gathered.0.extend_from_slice(line);
            if gathered.0.len() >= BATCH {
                gathered.flush();
            }
            true
        });
        if is_gathered != Ok(true) {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
