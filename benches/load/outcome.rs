//! How a measurement fails.

/// A result whose error is a sentence for the terminal.
pub type Outcome<T> = Result<T, String>;
