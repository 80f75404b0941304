//! The credentials of all applications in the order of their ends: one list per state of the registry, for all that report what ends.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    clock::Timestamp,
    trust::{Application, CredentialView, Registry, RegistryVersion, Role, known_ends},
};

/// Listing all again because further certificates were used may take this part of the time.
const SHARE: u32 = 100;
/// A list that is not longer takes no time worth counting.
const SHORT: usize = 1000;

/// A credential whose end is known.
#[derive(Debug)]
pub struct CredentialEnd {
    /// When it ends: [`CredentialView::ends`].
    pub end: Timestamp,
    /// The application that has registered it.
    pub application: Arc<Application>,
    /// Its place in [`Application::registrations`].
    place: u8,
    /// Whether it is refused from the second of its end on: that of `expires_at`.
    is_exclusive: bool,
    /// Whether the application cannot authenticate after it: no other credential ends later, or never.
    pub is_last: bool,
}

impl CredentialEnd {
    /// The credential, and what it is registered for.
    #[must_use]
    pub fn registered(&self) -> Option<(Role, CredentialView<'_>)> {
        self.application.registrations().nth(self.place.into())
    }

    /// The application's.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.application.client_id.as_str()
    }

    /// The first second in which it has expired.
    const fn over_from(&self) -> Timestamp {
        if self.is_exclusive { self.end } else { self.end.next() }
    }
}

/// All credentials whose end is known, the soonest end first.
#[derive(Debug)]
pub struct CredentialEnds(Vec<CredentialEnd>);

impl CredentialEnds {
    /// Lists those of all applications.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        let mut all = Vec::new();
        for application in registry.applications() {
            let last = last(application);
            for ((_, credential), place) in application.registrations().zip(0..) {
                let Some(end) = credential.ends() else { continue };
                let is_exclusive = credential.expires_at == Some(end);
                let application = Arc::clone(application);
                all.push(CredentialEnd {
                    end,
                    application,
                    place,
                    is_exclusive,
                    is_last: last == Some(place),
                });
            }
        }
        all.sort_unstable_by_key(|one| (one.end, !one.is_exclusive));
        Self(all)
    }

    /// Those that have expired at `now`, and the others.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> (&[CredentialEnd], &[CredentialEnd]) {
        self.split(|one| one.over_from() <= now)
    }

    /// Those that have expired at `now` or do so within this many days, and the others.
    #[must_use]
    pub fn within(&self, days: i64, now: Timestamp) -> (&[CredentialEnd], &[CredentialEnd]) {
        self.split(|one| one.end.days_since(now) < days)
    }

    fn split(&self, is_first: impl Fn(&CredentialEnd) -> bool) -> (&[CredentialEnd], &[CredentialEnd]) {
        self.0.split_at_checked(self.0.partition_point(is_first)).unwrap_or_default()
    }
}

/// The place of the credential that ends last, of those by which the application authenticates. None if it has none, or one that does not
/// end.
fn last(application: &Application) -> Option<u8> {
    let places = application.credentials().zip(0..);
    let (last, place) = places.max_by_key(|(one, _)| one.ends().unwrap_or(Timestamp::MAX))?;
    last.ends().map(|_| place)
}

/// The list of the active registry, which all share that read it.
#[derive(Debug, Default)]
pub struct Calendar(Mutex<Option<Listed>>);

#[derive(Debug)]
struct Listed {
    version: RegistryVersion,
    /// How many ends had become known by the use of a certificate.
    known: u64,
    at: Instant,
    took: Duration,
    ends: Arc<CredentialEnds>,
}

impl Calendar {
    /// The list of this registry. It is made again if the registry has changed; and, not often if it is long, if certificates were used whose ends
    /// were not known.
    pub fn of(&self, registry: &Registry) -> Arc<CredentialEnds> {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, known) = (registry.version(), known_ends());
        if let Some(listed) = &*listed
            && listed.version == version
            && (listed.known == known
                || (listed.ends.0.len() > SHORT && listed.at.elapsed() < listed.took * SHARE))
        {
            return Arc::clone(&listed.ends);
        }
        // What is replaced would otherwise be in memory beside the next list.
        *listed = None;
        let begin = Instant::now();
        let ends = Arc::new(CredentialEnds::of(registry));
        let (at, took) = (Instant::now(), begin.elapsed());
        *listed = Some(Listed { version, known, at, took, ends: Arc::clone(&ends) });
        ends
    }
}
