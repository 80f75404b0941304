//! The first build, at the start of the edge.

use std::{path::Path, time::SystemTime};

use super::{
    contents::{Contents, Marks},
    fetch,
};
use crate::{
    config::Severity,
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

/// Builds the first site, from files that did not change while they were read. CRLs that are to be fetched and are not there yet are
/// fetched before; if one can't be had and certificates are not to be judged without it, there is no site.
#[must_use]
pub fn first(config: &Path) -> First {
    let first = from_files(config);
    let awaited = first.built.site.as_ref().and_then(|(settings, _)| fetch::missing(&settings.trust));
    let Some(failed) = awaited else { return first };
    let mut first = from_files(config);
    if failed.iter().any(|problem| problem.severity == Severity::Error) {
        first.built.site = None;
    }
    first.built.problems.extend(failed);
    first
}

fn from_files(config: &Path) -> First {
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
