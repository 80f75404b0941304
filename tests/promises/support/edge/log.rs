//! The log of an edge under test: its standard error, read by a thread.

use std::{
    io::{BufRead, BufReader},
    process::ChildStderr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Instant,
};

use crate::support::PATIENCE;

/// The lines of a process's log, as they come.
pub struct Log {
    lines: Lines,
    reading: Reading,
    reader: Option<JoinHandle<()>>,
}

impl Log {
    /// Reads this until its end.
    pub fn of(stderr: ChildStderr) -> Self {
        let (lines, reading) = (Lines::default(), Reading::default());
        let (read, goes_on) = (lines.clone(), reading.clone());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                read.push(line);
                if !goes_on.goes_on() {
                    break;
                }
            }
            read.end();
        });
        Self { lines, reading, reader: Some(reader) }
    }

    /// Everything that was logged so far.
    pub fn text(&self) -> String {
        self.lines.0.lock().lines.join("\n")
    }

    /// Waits for a line.
    pub fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.lines.wait(|state| {
            let line = state.lines.iter().find(|line| wanted(line)).cloned();
            assert!(line.is_some() || !state.ended, "the edge ended; its log:\n{}", state.lines.join("\n"));
            line
        })
    }

    /// Waits for so many lines with this text.
    pub fn wait_for_count(&self, text: &str, count: usize) {
        self.lines.wait(|state| {
            (state.lines.iter().filter(|line| line.contains(text)).count() >= count).then_some(())
        });
    }

    /// Waits for the end of the log, and of the thread that reads it.
    pub fn wait_for_end(&mut self) {
        self.lines.wait(|state| state.ended.then_some(()));
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// From the next line on, does this.
    pub fn set(&self, read: Read) {
        self.reading.set(read);
    }
}

/// Whether the log is read.
#[derive(Clone, Default)]
struct Reading(Arc<(Mutex<Read>, Condvar)>);

/// What becomes of the log's further lines.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Read {
    /// They are read.
    #[default]
    GoesOn,
    /// They stay in the pipe.
    Pauses,
    /// The pipe is closed.
    Ends,
}

impl Reading {
    fn set(&self, read: Read) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = read;
        self.0.1.notify_all();
    }

    /// Waits while it pauses.
    fn goes_on(&self) -> bool {
        let read = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *self.0.1.wait_while(read, |read| *read == Read::Pauses).unwrap() == Read::GoesOn
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// Also after a test has failed while it looked.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn push(&self, line: String) {
        self.0.lock().lines.push(line);
        self.0.changed.notify_all();
    }

    fn end(&self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }

    fn wait<T>(&self, found: impl Fn(&State) -> Option<T>) -> T {
        let start = Instant::now();
        let mut state = self.0.lock();
        loop {
            if let Some(found) = found(&state) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain; the log:\n{}", state.lines.join("\n"));
            state = self.0.changed.wait_timeout(state, PATIENCE).unwrap().0;
        }
    }
}
