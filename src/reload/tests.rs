//! Several sources through the real reloader: the files, and one in memory.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
};

use super::*;
use crate::{
    clock::Clock,
    identity::Thumbprint,
    site::SiteHandle,
    source::{Conflict, Publish, SourceError, SourceName, Update, files::testing::Files},
    trust::{ApplicationSpec, AuthMethod, ClientId, CredentialSpec, Registered},
};

/// A source that publishes what a test sends, and returns the result.
struct InMemory {
    updates: Receiver<Option<Update>>,
    stop: Sender<Option<Update>>,
    answers: Sender<Result<(), Conflict>>,
}

impl Source for InMemory {
    fn name(&self) -> SourceName {
        SourceName::new("memory")
    }

    fn stop(&self) -> Stop {
        let stop = self.stop.clone();
        Box::new(move || drop(stop.send(None)))
    }

    fn run(self: Box<Self>, publisher: &dyn Publish) {
        while let Ok(Some(update)) = self.updates.recv() {
            self.answers.send(publisher.publish(update)).unwrap();
        }
    }
}

/// A running reloader of both sources.
struct Running {
    files: Files,
    site: SiteHandle,
    reloads: Arc<Reloads>,
    reloader: Reloader,
    updates: Sender<Option<Update>>,
    answers: Mutex<Receiver<Result<(), Conflict>>>,
}

fn application(client_id: &str, thumbprint: u8) -> ApplicationSpec {
    let registered = Registered::Certificate(Thumbprint::from_bytes([thumbprint; 32]).into());
    ApplicationSpec::new(client_id, AuthMethod::SelfSignedTls, vec![CredentialSpec::new("one", registered)])
}

/// The same as a line of `applications.toml`.
fn written(client_id: &str, thumbprint: u8) -> String {
    let thumbprint = format!("{thumbprint:02x}").repeat(32);
    format!(
        "[[application]]\nclient_id = \"{client_id}\"\n[[application.credential]]\nname = \"one\"\nthumbprint = \"{thumbprint}\"\n"
    )
}

impl Running {
    fn start() -> Self {
        let files = Files::new();
        files.cache_crl(&files.crl(&[]));
        files.write("applications.toml", written("filed", 1).as_bytes());
        let initial = InitialBuild::new(&files.config().into(), Clock::System)
            .unwrap_or_else(|problems| panic!("{problems:?}"));
        let (site, reloads) = (Arc::clone(&initial.site), Arc::new(Reloads::new(Clock::System)));
        let ((updates, received), (answers, answered)) = (channel(), channel());
        let memory = InMemory { updates: received, stop: updates.clone(), answers };
        let reloader = Reloader::start(initial, Arc::clone(&reloads), vec![Box::new(memory)]).unwrap();
        Self { files, site, reloads, reloader, updates, answers: Mutex::new(answered) }
    }

    fn publish(&self, update: Update) -> Result<(), Conflict> {
        self.updates.send(Some(update)).unwrap();
        self.answers.lock().unwrap().recv().unwrap()
    }

    fn put(&self, client_id: &str, thumbprint: u8) -> Result<(), Conflict> {
        self.publish(Update::changed(application(client_id, thumbprint)).unwrap())
    }

    /// The registered client ids, sorted.
    fn registered(&self) -> Vec<String> {
        let site = self.site.load();
        let mut all: Vec<_> =
            site.trust.registry.applications().map(|one| one.client_id.to_string()).collect();
        all.sort_unstable();
        all
    }

    /// Writes the registry of the files, and waits for the outcome of the reload.
    fn write(&self, text: &str) {
        let answered = || {
            let state = self.reloads.state();
            (state.succeeded, state.failed)
        };
        let before = answered();
        self.files.write("applications.toml", text.as_bytes());
        self.reloader.triggers().send(Trigger::Requested).unwrap();
        while answered() == before {
            std::thread::yield_now();
        }
    }
}

#[test]
fn updates_of_a_second_source_are_active_when_it_is_answered() {
    let running = Running::start();
    assert_eq!(running.registered(), ["filed"]);
    running.put("a", 2).unwrap();
    running.put("b", 3).unwrap();
    assert_eq!(running.registered(), ["a", "b", "filed"]);
    running.publish(Update::Removed(ClientId::new("a"))).unwrap();
    assert_eq!(running.registered(), ["b", "filed"]);
    running.publish(Update::Failed(SourceError("down".to_owned()))).unwrap();
    assert_eq!(running.registered(), ["b", "filed"]);
    running.publish(Update::Snapshot(Vec::new())).unwrap();
    assert_eq!(running.registered(), ["filed"]);
    assert_eq!(running.reloader.ended(), None);
}

#[test]
fn a_reload_of_the_files_keeps_other_sources() {
    let running = Running::start();
    running.put("a", 2).unwrap();
    running.write(&written("filed again", 4));
    assert_eq!(running.registered(), ["a", "filed again"]);
}

#[test]
fn a_conflict_is_rejected_from_either_source() {
    let running = Running::start();
    let conflict = running.put("filed", 9).unwrap_err();
    assert_eq!(conflict.other, SourceName::new("files"));
    running.put("other", 1).unwrap_err();
    running.put("a", 2).unwrap();
    running.write(&(written("filed", 1) + &written("a", 5)));
    assert_eq!(running.registered(), ["a", "filed"]);
    let (_, problems) = running.reloads.state().failure.unwrap();
    assert!(problems.contains("\"files\"") && problems.contains("\"memory\""), "{problems}");
    // Once the other source has removed it, the files are accepted without a further event.
    running.publish(Update::Removed(ClientId::new("a"))).unwrap();
    while running.registered() != ["a", "filed"] {
        std::thread::yield_now();
    }
    while running.reloads.state().failure.is_some() {
        std::thread::yield_now();
    }
}

#[test]
fn changed_applications_keep_the_tls_configurations() {
    let running = Running::start();
    let config = || Arc::clone(running.site.load().server_configs("m.example").unwrap().all_groups());
    running.write("# nobody\n");
    let with_ca_names = config();
    running.put("a", 2).unwrap();
    let without = config();
    assert!(!Arc::ptr_eq(&with_ca_names, &without), "a self-signed certificate would be hidden");
    running.put("b", 3).unwrap();
    assert!(Arc::ptr_eq(&without, &config()));
    running.publish(Update::Snapshot(Vec::new())).unwrap();
    assert!(Arc::ptr_eq(&with_ca_names, &config()));
    running.put("a", 4).unwrap();
    assert!(Arc::ptr_eq(&without, &config()));
}

#[test]
fn a_snapshot_keeps_unchanged_applications_and_their_last_use() {
    let running = Running::start();
    let snapshot = || Update::Snapshot(vec![application("a", 2).try_into().unwrap()]);
    running.publish(snapshot()).unwrap();
    let before = Arc::clone(running.site.load().trust.registry.application("a").unwrap());
    running.publish(snapshot()).unwrap();
    let after = Arc::clone(running.site.load().trust.registry.application("a").unwrap());
    assert!(Arc::ptr_eq(&before, &after));
}

#[test]
fn two_sources_of_one_name_are_an_error() {
    let files = Files::new();
    files.cache_crl(&files.crl(&[]));
    let initial = InitialBuild::new(&files.config().into(), Clock::System).unwrap();
    let source = || {
        let ((stop, updates), (answers, _)) = (channel(), channel());
        Box::new(InMemory { updates, stop, answers }) as Box<dyn Source>
    };
    let reloads = Arc::new(Reloads::new(Clock::System));
    let error = Reloader::start(initial, reloads, vec![source(), source()]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

/// A source that cannot be started.
struct Broken;

impl Source for Broken {
    fn name(&self) -> SourceName {
        SourceName::new("broken")
    }

    fn stop(&self) -> Stop {
        panic!("it cannot be started");
    }

    fn run(self: Box<Self>, _: &dyn Publish) {}
}

#[test]
fn a_start_that_fails_ends_every_thread() {
    let files = Files::new();
    files.cache_crl(&files.crl(&[]));
    let initial = InitialBuild::new(&files.config().into(), Clock::System).unwrap();
    let reloads = Arc::new(Reloads::new(Clock::System));
    // An error of the system drops the same values in the same order. If that order is wrong, this does not return.
    let start = AssertUnwindSafe(|| Reloader::start(initial, reloads, vec![Box::new(Broken)]));
    assert!(catch_unwind(start).is_err());
}
