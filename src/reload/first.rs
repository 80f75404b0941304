//! The first build, at the start of the edge.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;

use super::{
    contents::{Contents, Marks},
    fetch,
};
use crate::{
    clock::{Clock, Timestamp},
    config::{Problem, Severity, settings::Settings},
    load::{Built, build},
    site::SiteHandle,
    trust::Generation,
};

/// What the edge starts with.
#[derive(Debug)]
pub struct Initial {
    /// As they are written.
    pub settings: Settings,
    /// The pointer to the site in force, for everybody who reads or replaces it.
    pub site: SiteHandle,
    /// To be logged.
    pub warnings: Vec<Problem>,
    pub(crate) clock: Clock,
    pub(super) config: PathBuf,
    pub(super) files: BTreeSet<PathBuf>,
    /// What `site` was built from.
    pub(super) contents: Contents,
}

/// A build, and the contents that it was made from.
struct First {
    built: Built,
    contents: Contents,
}

/// How often files that change all the time are read before they are taken as they are: the reloader looks again anyway.
const TRIES: usize = 5;

/// Builds the first site, from files that did not change while they were read. CRLs that are to be fetched and are not there yet are
/// fetched before; if one can't be had and certificates are not to be judged without it, there is no site.
///
/// Fails with every problem of the configuration, if one is an error.
pub fn first(config: &Path, clock: Clock) -> Result<Initial, Vec<Problem>> {
    let First { built: Built { site, problems, files, .. }, contents } =
        complete(config, read(config, &clock), &clock);
    let Some((settings, site)) = site else { return Err(problems) };
    let (site, config) = (Arc::new(ArcSwap::from_pointee(site)), config.to_owned());
    Ok(Initial { settings, site, warnings: problems, clock, config, files, contents })
}

/// What was read from the files.
struct Read {
    first: First,
    /// Whether a list that is to be fetched was not there, or did not count. Another edge may put it there at any moment.
    lacks_list: bool,
}

/// Fetches the lists that were lacking, and then builds again, whichever process has put them there.
fn complete(config: &Path, read: Read, clock: &Clock) -> First {
    if !read.lacks_list {
        return read.first;
    }
    let site = read.first.built.site.as_ref();
    let failed = site.map(|(settings, _)| fetch::missing(&settings.trust, clock)).unwrap_or_default();
    let mut first = self::read(config, clock).first;
    if failed.iter().any(|problem| problem.severity == Severity::Error) {
        first.built.site = None;
    }
    first.built.problems.extend(failed);
    first
}

fn read(config: &Path, clock: &Clock) -> Read {
    let mut before: Option<Contents> = None;
    let mut tries = 0;
    loop {
        tries += 1;
        let start = Timestamp::from(SystemTime::now());
        let built = build(config, Generation(1), None, clock);
        let lacks_list =
            built.site.as_ref().is_some_and(|(settings, _)| fetch::lacks_list(&settings.trust, clock.now()));
        let contents = Contents::of(&built.files);
        // A second is the coarsest that a file system's clock may be; what is older did not change since the build began.
        let unchanged = !Marks::of(&built.files).any_since(start - Duration::from_secs(1));
        if unchanged || before.as_ref() == Some(&contents) || tries == TRIES {
            return Read { first: First { built, contents }, lacks_list };
        }
        before = Some(contents);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reload::testing::Files;

    #[test]
    fn a_list_that_comes_after_the_read_is_built_from() {
        let files = Files::new();
        for lacking in [None, Some(Files::forged_list())] {
            if let Some(list) = lacking {
                files.keep(&list);
            }
            let read = read(&files.config(), &Clock::System);
            // Another edge keeps its list in the same file.
            files.keep(&files.list(&[1]));
            let (_, site) = complete(&files.config(), read, &Clock::System).built.site.unwrap();
            assert_eq!(site.trust.authorities.crls().count(), 1);
        }
    }
}
