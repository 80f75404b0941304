//! The first build, at the start of the edge.

use std::{path::Path, time::SystemTime};

use super::contents::{Contents, Marks};
use crate::{
    site::{Built, build},
    trust::Generation,
};

/// What the edge starts with, and the contents that it was built from.
#[derive(Debug)]
pub struct First {
    /// The site, if there is one, and all problems.
    pub built: Built,
    pub(super) contents: Contents,
}

/// How often files that change all the time are read before they are taken as they are: the reloader looks again anyway.
const TRIES: usize = 5;

/// Builds the first site, from files that did not change while they were read.
#[must_use]
pub fn first(config: &Path) -> First {
    let mut before: Option<Contents> = None;
    let mut tries = 0;
    loop {
        tries += 1;
        let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let built = build(config, Generation(1), None);
        let contents = Contents::of(&built.files);
        // A second is the coarsest that a file system's clock may be; what is older did not change since the build began.
        let unchanged = !Marks::of(&built.files).any_since(i64::try_from(start).unwrap_or(i64::MAX) - 1);
        if unchanged || before.as_ref() == Some(&contents) || tries == TRIES {
            return First { built, contents };
        }
        before = Some(contents);
    }
}
