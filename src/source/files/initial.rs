//! The first build, at the start of the edge.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;

use super::contents::{Contents, FileStamps};
use crate::{
    clock::{Clock, Timestamp},
    config::{Input, Problem, Severity, settings::Settings},
    load::{Built, Purpose, WantedKeySet, build},
    site::SiteHandle,
    source::{crl, key_sets},
};

/// What the edge starts with.
#[derive(Debug)]
pub struct InitialBuild {
    /// As they are written.
    pub settings: Settings,
    pub(super) key_sets: Vec<WantedKeySet>,
    /// The pointer to the active site.
    pub site: SiteHandle,
    /// To be logged.
    pub warnings: Vec<Problem>,
    pub(crate) clock: Clock,
    pub(super) config: Input,
    pub(super) files: BTreeSet<PathBuf>,
    /// What `site` was built from.
    pub(super) contents: Contents,
}

/// A build, and the contents that it was made from.
struct Build {
    built: Built,
    contents: Contents,
}

/// How often files that change during a read are read again before they are used as they are. The file source checks them later anyway.
const TRIES: usize = 5;

impl InitialBuild {
    /// Builds the first site, from files that did not change while they were read. CRLs and key sets that are to be fetched and are not
    /// cached yet are fetched first; if a CRL cannot be fetched and certificates are not to be judged without it, there is no site.
    ///
    /// # Errors
    ///
    /// All problems of the configuration, if one of them is an error.
    pub fn new(config: &Input, clock: Clock) -> Result<Self, Vec<Problem>> {
        let read = read(config, &clock);
        let Build { built: Built { site, key_sets, problems, files, .. }, contents } =
            complete(config, read, &clock);
        let Some((settings, site)) = site else { return Err(problems) };
        let (site, config) = (Arc::new(ArcSwap::from_pointee(site)), config.clone());
        Ok(Self { settings, key_sets, site, warnings: problems, clock, config, files, contents })
    }
}

/// A build, and whether a document that is to be fetched was missing or invalid. Another edge may write it at any moment.
struct Read {
    build: Build,
    lacks_document: bool,
}

/// Fetches the missing CRLs and key sets and builds again, whichever process has written them.
fn complete(config: &Input, read: Read, clock: &Clock) -> Build {
    // Nothing is written by a configuration that has errors, such as a document's file that is also another file's.
    let Some((settings, _)) = read.build.built.site.as_ref().filter(|_| read.lacks_document) else {
        return read.build;
    };
    let mut failed = crl::fetch_missing(&settings.trust, clock);
    failed.extend(key_sets::fetch_missing(&read.build.built.key_sets));
    let mut build = self::read(config, clock).build;
    if failed.iter().any(|problem| problem.severity == Severity::Error) {
        build.built.site = None;
    }
    build.built.problems.extend(failed);
    build
}

fn read(config: &Input, clock: &Clock) -> Read {
    let mut before: Option<Contents> = None;
    let mut tries = 0;
    loop {
        tries += 1;
        let start = Timestamp::from(SystemTime::now());
        let built = build(config, Purpose::Start, clock);
        let lacks_crl =
            built.site.as_ref().is_some_and(|(settings, _)| crl::lacks_any(&settings.trust, clock.now()));
        let lacks_document = lacks_crl || key_sets::lacks_any(&built.key_sets);
        let contents = Contents::of(&built.files);
        // A file system's clock may have a resolution of one second; a file that is older did not change during the build.
        let unchanged = !FileStamps::of(&built.files).any_since(start - Duration::from_secs(1));
        if unchanged || before.as_ref() == Some(&contents) || tries == TRIES {
            return Read { build: Build { built, contents }, lacks_document };
        }
        before = Some(contents);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::files::testing::Files;

    #[test]
    fn a_crl_that_arrives_after_the_read_is_used() {
        let files = Files::new();
        for lacking in [None, Some(Files::forged_crl())] {
            if let Some(crl) = lacking {
                files.cache_crl(&crl);
            }
            let config = files.config().into();
            let read = read(&config, &Clock::System);
            // Another edge caches its CRL in the same file.
            files.cache_crl(&files.crl(&[1]));
            let (_, site) = complete(&config, read, &Clock::System).built.site.unwrap();
            assert_eq!(site.trust.authorities.crls().count(), 1);
        }
    }
}
