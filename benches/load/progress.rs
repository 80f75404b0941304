//! What is being measured now, on the terminal; on anything else nothing but what fails.

use std::{io::IsTerminal, time::Instant};

/// Steps done of all.
#[derive(Debug)]
pub struct Progress {
    done: usize,
    all: usize,
    begin: Instant,
    shows: bool,
}

impl Progress {
    /// None of so many done.
    pub fn new(all: usize) -> Self {
        Self { done: 0, all, begin: Instant::now(), shows: std::io::stderr().is_terminal() }
    }

    /// The next step begins.
    pub fn step(&mut self, row: &str, contender: &str) {
        self.done += 1;
        let seconds = self.begin.elapsed().as_secs();
        self.say(&format!("{}/{} after {seconds} s: {row}: {contender}", self.done, self.all));
    }

    /// So many steps are not needed.
    pub fn skip(&mut self, steps: usize) {
        self.done += steps;
    }

    /// One line that takes the place of the last.
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
