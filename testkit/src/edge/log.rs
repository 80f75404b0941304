//! The log of a running edge: its standard error, read by a thread.

use std::{
    io::{BufRead, BufReader},
    process::ChildStderr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// The lines of a process's log, as they arrive.
pub(super) struct Log {
    lines: Lines,
    reading: Reading,
    reader: Option<JoinHandle<()>>,
}

impl Log {
    /// Reads this until its end.
    pub(super) fn of(stderr: ChildStderr) -> Self {
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
    pub(super) fn text(&self) -> String {
        self.lines.0.lock().lines.join("\n")
    }

    /// How many lines there are so far.
    pub(super) fn count(&self) -> usize {
        self.lines.0.lock().lines.len()
    }

    /// Waits for a line after the first `after` lines. Returns its number, from 0, and its text.
    pub(super) fn wait_for(
        &self,
        patience: Duration,
        after: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> (usize, String) {
        // Each line is examined once: a busy edge logs thousands.
        let mut next = after;
        self.lines.wait(patience, |state| {
            let new = state.lines.get(next..).unwrap_or_default();
            let found = new.iter().position(|line| wanted(line)).map(|at| next + at);
            next = state.lines.len().max(after);
            assert!(found.is_some() || !state.ended, "the edge ended; its log:\n{}", state.lines.join("\n"));
            Some((found?, state.lines[found?].clone()))
        })
    }

    /// Waits for the end of the log, and of the thread that reads it.
    pub(super) fn wait_for_end(&mut self, patience: Duration) {
        self.lines.wait(patience, |state| state.ended.then_some(()));
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Sets what is done with the lines after the next one.
    pub(super) fn set(&self, read: Read) {
        self.reading.set(read);
    }
}

/// How the log is read, shared with the thread that reads it.
#[derive(Clone, Default)]
struct Reading(Arc<(Mutex<Read>, Condvar)>);

/// What is done with the log's further lines.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum Read {
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

    /// Waits while reading is paused. Whether reading goes on.
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
    /// Locks the state, even if a test has panicked in between.
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

    fn wait<T>(&self, patience: Duration, mut found: impl FnMut(&State) -> Option<T>) -> T {
        let start = Instant::now();
        let mut state = self.0.lock();
        loop {
            if let Some(found) = found(&state) {
                return found;
            }
            assert!(start.elapsed() < patience, "waited in vain; the log:\n{}", state.lines.join("\n"));
            state = self.0.changed.wait_timeout(state, patience).unwrap().0;
        }
    }
}
