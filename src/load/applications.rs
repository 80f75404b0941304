//! Builds the registry from the applications in the configuration: loads the files they reference, and validates them.

mod pins;
mod shared_subjects;
mod suspicious;

use std::{path::PathBuf, sync::Arc};

use rustls_pki_types::CertificateDer;

use self::{pins::Pins, shared_subjects::SharedSubjects};
use super::{authorities::shown, pem::read_certificates, unsupported};
use crate::{
    clock::Timestamp,
    config::{
        Problem, Severity, Spanned, file,
        settings::{self, Matcher},
    },
    identity::{ClientCertificate, DistinguishedName, SubjectAltName, Thumbprint, unusable_key},
    trust::{
        Application, ApplicationError, ApplicationSpec, CertificateMatch, CredentialFault, CredentialSpec,
        Registered, RegisteredCertificate, RegisteredSubject, Registry, RegistryError, Subject,
    },
};

/// Builds a registry, one application at a time.
#[derive(Debug)]
pub(super) struct RegistryBuilder<'a> {
    registry: Registry,
    previous: Option<&'a Registry>,
    now: Timestamp,
    pins: Pins,
    shared_subjects: SharedSubjects,
    /// Warnings about thumbprints that do not look like hashes.
    placeholders: Vec<Problem>,
    problems: Vec<Problem>,
}

impl<'a> RegistryBuilder<'a> {
    /// Starts with an empty registry. Certificates are checked as of `now`. Unchanged applications are taken over from `previous`, with
    /// the last use of their credentials.
    #[must_use]
    pub(super) fn new(previous: Option<&'a Registry>, now: Timestamp) -> Self {
        Self {
            registry: Registry::default(),
            previous,
            now,
            pins: Pins::default(),
            shared_subjects: SharedSubjects::default(),
            placeholders: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Adds an application. If it cannot be registered, the reason is recorded as a problem.
    pub(super) fn register(&mut self, written: &settings::Application) {
        let unsupported = unsupported::of_application(written);
        if !unsupported.is_empty() {
            self.problems.extend(unsupported);
            return;
        }
        let previous = self.previous.and_then(|previous| previous.application(&written.client_id.value));
        let mut places = Vec::new();
        let mut credentials = Vec::new();
        for credential in &written.credentials {
            if let Some(built) = build_credential(credential, self.now, &mut self.pins, &mut self.problems) {
                if let (Registered::Certificate(certificate), Matcher::Thumbprint(text)) =
                    (&built.registered, &credential.matcher)
                    && let CertificateMatch::Thumbprint(thumbprint) = &certificate.matches
                {
                    self.placeholders.extend(suspicious::check_thumbprint(thumbprint, &text.span));
                }
                places.push(credential.matcher.span());
                credentials.push(built);
            }
        }
        if credentials.is_empty() {
            // Each failure was reported.
            return;
        }
        let place = |credential: usize| places.get(credential).copied().unwrap_or(&written.client_id.span);
        let spec =
            ApplicationSpec::new(written.client_id.value.clone(), written.auth_method.value, credentials);
        let built = match Application::try_from(spec) {
            Ok(built) => built,
            Err(error) => {
                let place = match &error {
                    ApplicationError::Credential { index, .. } => place(*index),
                    _ => &written.client_id.span,
                };
                let problem = Problem::error(place, "application.credential", error.to_string());
                self.problems.push(match error {
                    ApplicationError::Credential {
                        fault: CredentialFault::RepeatedThumbprint(_), ..
                    } => problem.help(RegistryError::EACH_ONCE),
                    _ => problem,
                });
                return;
            }
        };
        let application = Registry::continued(built, previous);
        self.shared_subjects.record(&application, &self.registry, place);
        if let Err(error) = self.registry.insert(application) {
            let place = error.credential().map_or(&written.client_id.span, place);
            let problem = Problem::error(place, "application.credential", error.to_string());
            self.problems.push(problem.help(error.help()));
        }
    }

    /// Checks the registered applications against the client CAs. Reports a missing client CA that an application needs, pins that
    /// no path to a client CA can contain, and equal subjects whose pins one path can contain. To be called after the last
    /// [`RegistryBuilder::register`].
    ///
    /// The last kind is a warning. The others are errors at the start and warnings at a reload: removing a client CA must take
    /// effect even if applications still need it.
    pub(super) fn check_authorities(&mut self, settings: &settings::Settings) {
        let trust = &settings.trust;
        let max_severity = if self.previous.is_some() { Severity::Warning } else { Severity::Error };
        let place = settings.spans.get("trust.client_ca").unwrap_or(&trust.applications.span);
        let missing = if trust.client_ca.is_empty() {
            suspicious::check_client_ca_exists(&self.registry, place)
        } else {
            None
        };
        // Without client CAs every pin would be reported, which adds nothing.
        let pins = if missing.is_some() { Vec::new() } else { self.pins.unreachable(trust) };
        let problems = missing.into_iter().chain(pins);
        self.problems.extend(
            problems.map(|problem| Problem { severity: problem.severity.min(max_severity), ..problem }),
        );
        self.problems.extend(std::mem::take(&mut self.shared_subjects).problems(&self.pins, trust));
    }

    /// Returns the registry and all problems. If one of them is an error, the registry is incomplete.
    #[must_use]
    pub(super) fn finish(mut self) -> (Registry, Vec<Problem>) {
        // Placeholder warnings are omitted while there are errors to fix first.
        if self.problems.iter().all(|problem| problem.severity < Severity::Error) {
            self.problems.extend(suspicious::truncate(std::mem::take(&mut self.placeholders)));
        }
        (self.registry, self.problems)
    }
}

fn build_credential(
    credential: &settings::Credential,
    now: Timestamp,
    pins: &mut Pins,
    problems: &mut Vec<Problem>,
) -> Option<CredentialSpec> {
    let pin = match &credential.ca {
        None => None,
        Some(file) => match pins.load_key(file) {
            Ok(key) => Some(key),
            Err(fault) => {
                let help = "provide a PEM file with only the CA that must have issued the certificate";
                problems.push(fault.or_help(help).at(&file.span, "application.credential.ca"));
                return None;
            }
        },
    };
    let registered = match &credential.matcher {
        Matcher::Thumbprint(text) => parse_matcher(text, "thumbprint", problems, str::parse::<Thumbprint>)
            .map(|thumbprint| Registered::Certificate(thumbprint.into())),
        Matcher::Certificate(file) => load_certificate(file, now, problems).map(Registered::Certificate),
        // Refused before.
        Matcher::PublicKey(_) | Matcher::SecretSha256(_) => None,
        Matcher::SubjectDn(text) => parse_matcher(text, "subject_dn", problems, DistinguishedName::parse)
            .map(|(dn, warning)| {
                if let Some(warning) = warning {
                    problems.push(Problem::warning(
                        &text.span,
                        "application.credential.subject_dn",
                        warning.to_string(),
                    ));
                }
                Registered::Subject(RegisteredSubject { subject: Subject::Dn(dn), ca: pin })
            }),
        Matcher::SanDns(text) => parse_san(text, "san_dns", pin, problems, SubjectAltName::dns),
        Matcher::SanUri(text) => parse_san(text, "san_uri", pin, problems, SubjectAltName::uri),
        Matcher::SanIp(text) => parse_san(text, "san_ip", pin, problems, SubjectAltName::ip),
        Matcher::SanEmail(text) => parse_san(text, "san_email", pin, problems, SubjectAltName::email),
    }?;
    Some(CredentialSpec::new(credential.name.value.clone(), registered))
}

fn parse_matcher<T, E: std::fmt::Display>(
    text: &Spanned<String>,
    key: &str,
    problems: &mut Vec<Problem>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    parse(&text.value)
        .map_err(|error| {
            problems.push(Problem::error(
                &text.span,
                format!("application.credential.{key}"),
                error.to_string(),
            ));
        })
        .ok()
}

fn parse_san<E: std::fmt::Display>(
    text: &Spanned<String>,
    key: &str,
    pin: Option<Arc<[u8; 32]>>,
    problems: &mut Vec<Problem>,
    parse: impl FnOnce(&str) -> Result<SubjectAltName, E>,
) -> Option<Registered> {
    let san = parse_matcher(text, key, problems, parse)?;
    if let Some(problem) = suspicious::check_wildcard(&san, key, text) {
        let is_error = problem.severity == Severity::Error;
        problems.push(problem);
        if is_error {
            return None;
        }
    }
    Some(Registered::Subject(RegisteredSubject { subject: Subject::San(san), ca: pin }))
}

/// The number, from 1, of the first certificate that is not on the path from the leaf to its root. The issuers may be in any order.
fn unrelated_certificate(chain: &[CertificateDer<'static>]) -> Option<usize> {
    let facts = |der: &CertificateDer<'static>| ClientCertificate::from_chain(std::slice::from_ref(der)).ok();
    let (leaf, rest) = chain.split_first()?;
    let mut issuers = vec![facts(leaf)?.issuer().clone()];
    let mut rest: Vec<_> = (2..).zip(rest.iter().map(facts)).collect();
    while let Some(next) = rest
        .iter()
        .position(|(_, facts)| facts.as_ref().is_some_and(|facts| issuers.contains(facts.subject())))
    {
        issuers.extend(rest.remove(next).1.map(|facts| facts.issuer().clone()));
    }
    rest.first().map(|(number, _)| *number)
}

/// Loads the first certificate of a file. Warns if it is not valid now, or expires soon.
fn load_certificate(
    file: &Spanned<PathBuf>,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> Option<RegisteredCertificate> {
    const KEY: &str = "application.credential.certificate";
    let read = read_certificates(&file.value).and_then(|chain| {
        let leaf = chain.get(..1).unwrap_or_default();
        if let Some(number) = unrelated_certificate(&chain) {
            let what = format_args!(
                " contains {} certificates, and certificate {number} is not an issuer of the first: it would not be registered",
                chain.len()
            );
            let help = "give each certificate its own file and [[application.credential]]";
            return Err(file::fault(&file.value, what).or_help(help));
        }
        ClientCertificate::from_chain(leaf)
            .map_err(|error| file::fault(&file.value, format_args!(" cannot be registered: {error}")))
    });
    match read {
        Ok(certificate) => {
            let validity = certificate.validity();
            if now < validity.not_before {
                let from = validity.not_before;
                let what =
                    format!("{} is not valid yet (before {from}): until then it is refused", shown(file));
                let help =
                    format!("check the clock: it is {now} here; until then, keep the previous credential");
                problems.push(Problem::warning(&file.span, KEY, what).help(help));
            }
            let days_left = validity.not_after.days_since(now);
            if days_left < 30 {
                let what = if now > validity.not_after {
                    let end = validity.not_after;
                    format!("{} has expired (on {end}): it is refused", shown(file))
                } else {
                    format!("{} expires in {days_left} days", shown(file))
                };
                problems.push(
                    Problem::warning(&file.span, KEY, what)
                        .help("add the next certificate as a second credential, then remove this one"),
                );
            }
            if let Some(reason) = unusable_key(certificate.spki_der()) {
                problems.push(
                    Problem::warning(
                        &file.span,
                        KEY,
                        format!("{}: {reason}: no handshake succeeds", shown(file)),
                    )
                    .help("issue a certificate for another key, and register it"),
                );
            }
            Some(RegisteredCertificate::from(&certificate))
        }
        Err(fault) => {
            let help = "provide the application's certificate (not its key) as PEM or DER";
            problems.push(fault.or_help(help).at(&file.span, KEY));
            None
        }
    }
}
