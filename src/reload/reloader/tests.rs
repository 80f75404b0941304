//! Files that change between two steps of a reload.

use super::*;
use crate::reload::{first, testing::Files};

/// A reloader's state whose thread does not run, so that a test takes each step.
struct Steps {
    files: Files,
    watch: Watch,
}

impl Steps {
    /// With a site in force that was built from a kept list.
    fn start() -> Self {
        let files = Files::new();
        files.keep(&files.list(&[1]));
        let initial = first(&files.config(), Clock::System).unwrap_or_else(|problems| panic!("{problems:?}"));
        let watch = Watch::new(initial, Arc::new(Reloads::new(Clock::System)), channel().0);
        Self { files, watch }
    }

    fn generation(&self) -> u64 {
        self.watch.site.load().trust.generation.0
    }

    /// How many lists count.
    fn lists(&self) -> usize {
        self.watch.site.load().trust.authorities.crls().count()
    }
}

#[test]
fn a_fetch_after_the_read_does_not_vouch_for_the_list_before_it() {
    let mut steps = Steps::start();
    assert_eq!((steps.generation(), steps.lists()), (1, 1));
    steps.files.keep(&Files::forged_list());
    let read = steps.watch.read().unwrap();
    assert_eq!(read.missing.len(), 1);
    // What was built has no list at all; the file holds a good one by now.
    steps.files.keep(&steps.files.list(&[1, 2]));
    steps.watch.take(read);
    assert_eq!((steps.generation(), steps.lists()), (1, 1), "the list in force was taken away");
    // The next look finds it.
    steps.watch.look();
    assert_eq!((steps.generation(), steps.lists()), (2, 1));
}

#[test]
fn a_list_that_goes_bad_after_the_read_is_found_by_the_next_look() {
    let mut steps = Steps::start();
    steps.files.keep(&steps.files.list(&[1, 2]));
    let read = steps.watch.read().unwrap();
    steps.files.keep(b"nonsense");
    steps.watch.take(read);
    assert_eq!((steps.generation(), steps.lists()), (2, 1));
    steps.watch.look();
    assert_eq!((steps.generation(), steps.lists()), (2, 1));
    assert!(matches!(steps.watch.next, Next::Doubt(_)));
}
