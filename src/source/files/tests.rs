//! Files that change between two steps of a reload.

use super::*;
use std::fs;

use super::{changing::LONGEST, testing::Files};
use crate::{
    clock::{FixedClock, Timestamp},
    identity::Thumbprint,
    reload::Reconciler,
    source::Conflict,
    trust::{ApplicationSpec, AuthMethod, CredentialSpec, Registered},
};

/// A file source without its thread, so that a test takes each step.
struct Steps {
    files: Files,
    source: FileSource,
    publisher: Directly,
}

/// Publishes to the reconciler of the edge, on this thread.
struct Directly(Reconciler);

impl Publish for Directly {
    fn publish(&self, update: Update) -> Result<(), Conflict> {
        self.0.publish(&SourceName::new("files"), update)
    }
}

/// Publishes as [`Directly`]; as soon as an update is rejected, the other source gives way.
struct GivingWay<'a>(&'a Directly);

impl Publish for GivingWay<'_> {
    fn publish(&self, update: Update) -> Result<(), Conflict> {
        let outcome = self.0.publish(update);
        if outcome.is_err() {
            self.0.0.publish(&SourceName::new("other"), Update::Snapshot(Vec::new())).unwrap();
        }
        outcome
    }
}

impl Steps {
    /// Starts with an active site that was built with a cached CRL.
    fn start() -> Self {
        Self::start_at(Clock::System)
    }

    fn start_at(clock: Clock) -> Self {
        let files = Files::new();
        files.cache_crl(&files.crl(&[1]));
        let initial = InitialBuild::new(&files.config().into(), clock)
            .unwrap_or_else(|problems| panic!("{problems:?}"));
        let site = Arc::clone(&initial.site);
        let reloads = || Arc::new(Reloads::new(Clock::System));
        let source = FileSource::new(initial, reloads());
        let reconciler = Reconciler::new(site, source.name(), reloads(), channel().0);
        Self { files, source, publisher: Directly(reconciler) }
    }

    fn generation(&self) -> u64 {
        self.source.site.load().generation.number()
    }

    /// The number of valid CRLs.
    fn crls(&self) -> usize {
        self.source.site.load().trust.authorities.crls().count()
    }
}

#[test]
fn a_fetch_after_the_read_does_not_validate_the_crl_before_it() {
    let mut steps = Steps::start();
    assert_eq!((steps.generation(), steps.crls()), (1, 1));
    steps.files.cache_crl(&Files::forged_crl());
    let read = steps.source.read().unwrap();
    assert_eq!(read.missing.len(), 1);
    // The site was built without a CRL; the file contains a valid one by now.
    steps.files.cache_crl(&steps.files.crl(&[1, 2]));
    steps.source.publish(read, &steps.publisher);
    assert_eq!((steps.generation(), steps.crls()), (1, 1), "the active CRL was removed");
    // The next check finds it.
    steps.source.check(&steps.publisher);
    assert_eq!((steps.generation(), steps.crls()), (2, 1));
}

#[test]
fn a_crl_that_turns_invalid_after_the_read_is_noticed() {
    let mut steps = Steps::start();
    steps.files.cache_crl(&steps.files.crl(&[1, 2]));
    let read = steps.source.read().unwrap();
    steps.files.cache_crl(b"nonsense");
    steps.source.publish(read, &steps.publisher);
    assert_eq!((steps.generation(), steps.crls()), (2, 1));
    steps.source.check(&steps.publisher);
    assert_eq!((steps.generation(), steps.crls()), (2, 1));
    assert!(matches!(steps.source.next, Next::Settle(_)));
}

#[test]
fn a_source_that_gives_way_at_once_does_not_stay_in_conflict() {
    let mut steps = Steps::start();
    let registered = Registered::Certificate(Thumbprint::from_bytes([1; 32]).into());
    let spec = ApplicationSpec::new(
        "twice",
        AuthMethod::SelfSignedTls,
        vec![CredentialSpec::new("one", registered)],
    );
    steps.publisher.0.publish(&SourceName::new("other"), Update::changed(spec).unwrap()).unwrap();
    let thumbprint = "02".repeat(32);
    let twice = format!(
        "[[application]]\nclient_id = \"twice\"\n[[application.credential]]\nname = \"one\"\nthumbprint = \"{thumbprint}\"\n"
    );
    steps.files.write("applications.toml", twice.as_bytes());
    let read = steps.source.read().unwrap();
    steps.source.publish(read, &GivingWay(&steps.publisher));
    let known = steps.source.due.conflicted.unwrap();
    assert_ne!(known, steps.source.site.load().generation, "the files would not be read again");
}

impl Steps {
    /// Reads the files, which `change` changes during the build. `since` is how long they have changed during every read.
    fn read_during(&mut self, change: impl FnOnce(&Files), since: Duration) -> Option<Candidate> {
        let source = &mut self.source;
        source.stamps = FileStamps::of(&source.files);
        source.changing = Instant::now().checked_sub(since).map(Changing::new);
        let contents = Contents::of(&source.files);
        change(&self.files);
        let built = build(&source.config, Purpose::Reload(&source.site.load_full()), &source.clock);
        source.candidate(contents, built, None)
    }
}

#[test]
fn files_replaced_during_every_read_are_used_after_a_while() {
    let mut steps = Steps::start();
    let crls = [steps.files.crl(&[1, 2]), steps.files.crl(&[1, 2, 3])];
    assert!(steps.read_during(|files| files.cache_crl(&crls[0]), LONGEST / 2).is_none());
    let read = steps.read_during(|files| files.cache_crl(&crls[1]), LONGEST).unwrap();
    steps.source.publish(read, &steps.publisher);
    assert_eq!((steps.generation(), steps.crls()), (2, 1));
    // Which content was used is not known: the same contents are read again.
    assert!(matches!(steps.source.next, Next::Again(_)));
    steps.source.check(&steps.publisher);
    assert_eq!(steps.generation(), 3);
    steps.source.check(&steps.publisher);
    assert_eq!(steps.generation(), 3);
}

#[test]
fn a_file_written_during_every_read_is_reported() {
    let mut steps = Steps::start();
    let written = |files: &Files| files.write("applications.toml", b"# written in place\n");
    assert!(steps.read_during(written, LONGEST).is_none());
    let (_, problems) = steps.source.reloads.state().failure.unwrap();
    assert!(problems.contains("applications.toml: written to whenever the edge reads it"), "{problems}");
    steps.source.check(&steps.publisher);
    assert_eq!(steps.generation(), 2, "it is used once it has stayed the same");
    assert!(steps.source.changing.is_none());
}

#[test]
fn files_that_no_longer_change_have_their_full_time_again() {
    let mut steps = Steps::start();
    let active = fs::read(steps.files.config().with_file_name("cached.crl")).unwrap();
    let other = steps.files.crl(&[1, 2]);
    assert!(steps.read_during(|files| files.cache_crl(&other), LONGEST / 2).is_none());
    assert!(steps.source.changing.is_some());
    steps.files.cache_crl(&active);
    steps.source.check(&steps.publisher);
    assert!(steps.generation() == 1 && steps.source.changing.is_none());
}

#[test]
fn a_crl_of_the_future_is_read_again_at_its_date() {
    let [now, dated] = [1_790_000_000, 1_790_086_400];
    let clock = FixedClock::new(Timestamp::from_unix(now));
    let mut steps = Steps::start_at(Clock::Fixed(clock.clone()));
    steps.files.cache_crl(&steps.files.crl_dated(&[1, 2], dated));
    steps.source.requested = true;
    steps.source.check(&steps.publisher);
    assert!(steps.source.reloads.state().failure.unwrap().1.contains("dated in the future"));
    assert!(!steps.source.forget_if_valid());
    // The clocks may differ by five minutes.
    clock.set(Timestamp::from_unix(dated - 300));
    assert!(steps.source.forget_if_valid());
    steps.source.check(&steps.publisher);
    assert_eq!((steps.generation(), steps.crls()), (2, 1));
}

#[test]
fn a_start_is_prevented_only_until_the_clock_is_right() {
    let [before, issued, now] = [1_789_990_000, 1_790_000_000, 1_790_010_000].map(Timestamp::from_unix);
    let clock = FixedClock::new(now);
    let mut steps = Steps::start_at(Clock::Fixed(clock.clone()));
    steps.files.issue_certificate(issued.unix());
    steps.source.check(&steps.publisher);
    let start_failure = |steps: &Steps| steps.source.reloads.state().start_failure;
    assert_eq!((steps.generation(), start_failure(&steps)), (2, None));
    clock.set(before);
    steps.files.cache_crl(&steps.files.crl(&[1, 2]));
    steps.source.check(&steps.publisher);
    assert!(start_failure(&steps).unwrap().1.contains("is not valid yet"));
    assert_eq!((steps.generation(), steps.source.is_active_due()), (3, false));
    clock.set(now);
    assert!(steps.source.is_active_due());
    // A configuration that is rejected meanwhile does not hide it.
    steps.files.write("applications.toml", b"nonsense");
    steps.source.requested = true;
    steps.source.check(&steps.publisher);
    assert!(!steps.source.is_active_due(), "the rejected files would be read again and again");
    steps.files.write("applications.toml", b"# none\n");
    steps.source.check(&steps.publisher);
    assert_eq!((steps.generation(), start_failure(&steps)), (4, None));
    assert!(!steps.source.is_active_due());
}

#[test]
fn the_stall_timeout_is_longer_than_those_of_all_upstreams() {
    let mut steps = Steps::start();
    let stall_timeout = |steps: &Steps| steps.source.site.load().stall_timeout;
    let before = stall_timeout(&steps);
    let config = fs::read_to_string(steps.files.config()).unwrap();
    let slower = "name = \"as\"\nresponse_timeout = \"500s\"\nconnect_timeout = \"7s\"";
    steps.files.write("edge.toml", config.replace("name = \"as\"", slower).as_bytes());
    steps.source.check(&steps.publisher);
    let body_timeout = steps.source.site.load().limits.body_timeout;
    // An upstream is tried four times.
    let expected = body_timeout + Duration::from_secs(500 + 4 * 7 + 10);
    assert_eq!(stall_timeout(&steps), expected);
    assert!(before < expected, "{before:?}");
}
