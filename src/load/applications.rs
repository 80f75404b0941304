//! Builds the registry from the applications in the configuration: loads the files they reference, and validates them.

mod certificate;
mod credential;
mod key_uses;
mod pins;
mod shared_subjects;
mod suspicious;

use self::{credential::Loader, key_uses::KeyUses, shared_subjects::SharedSubjects};
use super::key_sets::{CachedKeySet, cached_key_set};
use crate::{
    clock::Timestamp,
    config::{
        Problem, Severity, Span,
        settings::{self, KeySetSource},
    },
    trust::{
        Application, ApplicationError, ApplicationSpec, AuthMethod, CredentialFault, CredentialSpec, Keys,
        Method, PublishedKeys, RegisteredKey, Registry, RegistryError, RequestRules, Role,
    },
};

/// Builds a registry, one application at a time.
#[derive(Debug)]
pub(super) struct RegistryBuilder<'a> {
    registry: Registry,
    previous: Option<&'a Registry>,
    loader: Loader,
    shared_subjects: SharedSubjects,
    key_uses: KeyUses,
    key_sets: Vec<KeySetSource>,
}

impl<'a> RegistryBuilder<'a> {
    /// Starts with an empty registry. Certificates are checked as of `now`. Unchanged applications are taken over from `previous`, with
    /// the last use of their credentials.
    #[must_use]
    pub(super) fn new(previous: Option<&'a Registry>, now: Timestamp) -> Self {
        Self {
            registry: Registry::default(),
            previous,
            loader: Loader::new(now),
            shared_subjects: SharedSubjects::default(),
            key_uses: KeyUses::default(),
            key_sets: Vec::new(),
        }
    }

    /// Adds an application. If it cannot be registered, the reason is recorded as a problem.
    pub(super) fn register(&mut self, written: &settings::Application) {
        let previous = self.previous.and_then(|previous| previous.application(&written.client_id.value));
        let is_signing = written.auth_method.value == AuthMethod::PrivateKeyJwt;
        let bound = written.certificate_bound.iter().flat_map(|bound| &bound.certificates);
        let mut places = Places::new(&written.client_id.span);
        let mut collect = |role, built: Option<CredentialSpec>, place| {
            let built = built?;
            places.0.push((role, place));
            Some(built)
        };
        let loader = &mut self.loader;
        let credentials: Vec<_> = written
            .credentials
            .iter()
            .filter_map(|written| {
                let built = loader.credential(Role::Authentication, written, is_signing);
                collect(Role::Authentication, built, written.matcher.span())
            })
            .collect();
        let certificates: Vec<_> = bound
            .clone()
            .filter_map(|written| {
                let built = loader.credential(Role::Binding, written, false);
                collect(Role::Binding, built, written.matcher.span())
            })
            .collect();
        let request_keys: Vec<_> = written
            .request_keys
            .iter()
            .filter_map(|written| {
                collect(Role::RequestKey, loader.request_key(written), &written.key.file.span)
            })
            .collect();
        let is_lost = |written: usize, built: usize| built == 0 && written > 0;
        if is_lost(written.credentials.len(), credentials.len()) || is_lost(bound.count(), certificates.len())
        {
            // Each failure was reported.
            return;
        }
        let rules = &written.rules;
        let spec = ApplicationSpec {
            published_keys: self.published_keys(written, previous.map(|previous| &**previous)),
            certificate_bound: written.certificate_bound.is_some(),
            certificates,
            request_keys,
            rules: RequestRules {
                require_signed_request: rules.require_signed_request.value,
                require_pushed_request: rules.require_pushed_request.value,
                strict_request_objects: rules.strict_request_objects.value,
            },
            requests_per_second: written.requests_per_second,
            ..ApplicationSpec::new(written.client_id.value.clone(), written.auth_method.value, credentials)
        };
        let built = match Application::try_from(spec) {
            Ok(built) => built,
            Err(error) => return self.loader.problems.push(invalid(&error, &places)),
        };
        let application = Registry::continued(built, previous);
        let place = |credential| places.of(Role::Authentication, credential);
        self.shared_subjects.record(&application, &self.registry, place);
        let reused = self.key_uses.record(&application, |role, index| places.of(role, index));
        self.loader.problems.extend(reused);
        if let Err(error) = self.registry.insert(application) {
            let place = error.credential().map_or(&written.client_id.span, place);
            let problem = Problem::error(place, "application.credential", error.to_string());
            self.loader.problems.push(problem.help(error.help()));
        }
    }

    /// The keys of an application's `jwks_uri`, from the cached file. Without a usable file those of the previous registration stay, or there are
    /// none until the first fetch.
    fn published_keys(
        &mut self,
        written: &settings::Application,
        previous: Option<&Application>,
    ) -> Option<PublishedKeys> {
        let source = written.jwks_uri.as_ref()?;
        self.key_sets.push(source.clone());
        let url: Box<str> = source.url.value.to_string().into();
        let why = match cached_key_set(source) {
            CachedKeySet::Valid(set) => {
                let keys = set.verifying_keys().into_iter().map(Box::new);
                let keys = keys.map(|key| RegisteredKey { key }).collect();
                return Some(PublishedKeys { url, keys: Some(keys) });
            }
            CachedKeySet::Missing => format!("{} does not exist yet", source.file.value.display()),
            CachedKeySet::Invalid(why) => why,
        };
        let former = match previous.map(|previous| &previous.method) {
            Some(Method::PrivateKeyJwt(Keys::Published(former))) if former.url == url => Some(former),
            _ => None,
        };
        let keys = former.and_then(|former| former.keys.clone());
        if keys.is_none() {
            let what = format!("{why}: until `run` has fetched {url}, each assertion is refused");
            let problem = Problem::warning(&source.file.span, "application.jwks_uri.file", what);
            let help = "start the edge, or write the key set into the file";
            self.loader.problems.push(problem.help(help));
        }
        Some(PublishedKeys { url, keys })
    }

    /// Checks the registered applications against the client CAs. Reports a missing client CA that an application needs, pins that
    /// no path to a client CA can contain, and equal subjects whose pins one path can contain. To be called after the last
    /// [`RegistryBuilder::register`].
    ///
    /// The last kind is a warning. The others are errors at the start and warnings at a reload: removing a client CA must take
    /// effect even if applications still need it.
    pub(super) fn check_authorities(&mut self, settings: &settings::Settings) {
        let trust = &settings.trust;
        let is_reload = self.previous.is_some();
        let place = settings.spans.get("trust.client_ca").unwrap_or(&trust.applications.span);
        let missing = if trust.client_ca.is_empty() {
            suspicious::check_client_ca_exists(&self.registry, place)
        } else {
            None
        };
        // Without client CAs every pin would be reported, which adds nothing.
        let pins = if missing.is_some() { Vec::new() } else { self.loader.pins.unreachable(trust) };
        let problems = missing.into_iter().chain(pins);
        self.loader.problems.extend(problems.map(|mut problem| {
            if is_reload {
                problem.tolerate();
            }
            problem
        }));
        let shared = std::mem::take(&mut self.shared_subjects).problems(&self.loader.pins, trust);
        self.loader.problems.extend(shared);
    }

    /// The applications that were registered so far.
    pub(super) const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether no problem is an error: then all applications are registered.
    pub(super) fn is_complete(&self) -> bool {
        self.loader.problems.iter().all(|problem| problem.severity < Severity::Error)
    }

    /// Returns the registry, the key sets that its applications publish, and all problems. If one of them is an error, the registry is incomplete.
    #[must_use]
    pub(super) fn finish(self) -> (Registry, Vec<KeySetSource>, Vec<Problem>) {
        let is_complete = self.is_complete();
        let Loader { mut problems, placeholders, .. } = self.loader;
        // Placeholder warnings are omitted while there are errors to fix first.
        if is_complete {
            problems.extend(suspicious::truncate(placeholders));
        }
        (self.registry, self.key_sets, problems)
    }
}

/// Where each credential of an application is configured, in the order of its role.
struct Places<'a>(Vec<(Role, &'a Span)>, &'a Span);

impl<'a> Places<'a> {
    /// No places yet. The one of the application is used for credentials without one.
    const fn new(application: &'a Span) -> Self {
        Self(Vec::new(), application)
    }

    fn of(&self, role: Role, index: usize) -> &'a Span {
        let mut places = self.0.iter().filter(|(of, _)| *of == role).map(|(_, place)| *place);
        places.nth(index).unwrap_or(self.1)
    }
}

/// The problem of an application that cannot be built.
fn invalid(error: &ApplicationError, places: &Places<'_>) -> Problem {
    let ApplicationError::Credential { role, index, fault } = error else {
        return Problem::error(places.1, "application.credential", error.to_string());
    };
    let key = format!("application.{}", role.key());
    let problem = Problem::error(places.of(*role, *index), key, error.to_string());
    match fault {
        CredentialFault::RepeatedThumbprint(_) => problem.help(RegistryError::EACH_ONCE),
        CredentialFault::RepeatedKey | CredentialFault::RepeatedSecret => {
            problem.help("register each once: the second is for its successor")
        }
        _ => problem,
    }
}
