//! Progress on a terminal. Nothing is printed to anything else.

use std::{io::IsTerminal, time::Instant};

/// How many steps are done.
#[derive(Debug)]
pub struct Progress {
    done: usize,
    all: usize,
    begin: Instant,
    shows: bool,
}

impl Progress {
    /// Progress of this many steps.
    pub fn new(all: usize) -> Self {
        Self { done: 0, all, begin: Instant::now(), shows: std::io::stderr().is_terminal() }
    }

    /// Begins the next step.
    pub fn step(&mut self, row: &str, contender: &str) {
        self.done += 1;
        let seconds = self.begin.elapsed().as_secs();
        self.say(&format!("{}/{} after {seconds} s: {row}: {contender}", self.done, self.all));
    }

    /// Skips this many steps.
    pub fn skip(&mut self, steps: usize) {
        self.done += steps;
    }

    /// Replaces the last line.
    pub fn say(&self, line: &str) {
        if self.shows {
            eprint!("\r\x1b[K{line}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.say("");
    }
}
