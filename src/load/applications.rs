//! Registers applications as they are read from the configuration: opens what they name, judges what they say.

mod doubts;
mod kept_apart;
mod pins;

use std::{path::PathBuf, sync::Arc};

use rustls_pki_types::CertificateDer;

use self::{kept_apart::KeptApart, pins::Pins};
use super::{authorities::shown, pem::read_certificates};
use crate::{
    clock::Timestamp,
    config::{
        Problem, Severity, Spanned, file,
        settings::{self, Matcher},
    },
    identity::{ClientCertificate, DistinguishedName, SubjectAltName, Thumbprint, unusable_key},
    trust::{
        Application, ApplicationError, ApplicationSpec, CredentialSpec, Registered, RegisteredCertificate,
        RegisteredSubject, Registry, RegistryError, Subject,
    },
};

/// A registry in the making.
#[derive(Debug)]
pub(super) struct RegistryBuilder<'a> {
    registry: Registry,
    before: Option<&'a Registry>,
    now: Timestamp,
    pins: Pins,
    apart: KeptApart,
    /// Thumbprints that look like no certificate's.
    placeholders: Vec<Problem>,
    problems: Vec<Problem>,
}

impl<'a> RegistryBuilder<'a> {
    /// An empty registry, whose certificates are looked at as of `now`. What is the same as `before` is taken over from there, its last use with it.
    #[must_use]
    pub(super) fn new(before: Option<&'a Registry>, now: Timestamp) -> Self {
        Self {
            registry: Registry::default(),
            before,
            now,
            pins: Pins::default(),
            apart: KeptApart::default(),
            placeholders: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Adds an application; what keeps it from being registered is noted as a problem.
    pub(super) fn register(&mut self, written: &settings::Application) {
        let before = self.before.and_then(|before| before.application(&written.client_id.value));
        let mut places = Vec::new();
        let mut credentials = Vec::new();
        for credential in &written.credentials {
            if let Some(built) = self::credential(credential, self.now, &mut self.pins, &mut self.problems) {
                if let (Registered::Certificate(certificate), Matcher::Thumbprint(text)) =
                    (&built.registered, &credential.matcher)
                {
                    self.placeholders.extend(doubts::placeholder(&certificate.thumbprint, &text.span));
                }
                places.push(credential.matcher.span());
                credentials.push(built);
            }
        }
        if credentials.is_empty() {
            // Each was reported.
            return;
        }
        let place = |credential: usize| places.get(credential).copied().unwrap_or(&written.client_id.span);
        let spec = ApplicationSpec {
            client_id: written.client_id.value.clone(),
            method: written.auth_method,
            credentials,
        };
        let built = match Application::try_from(spec) {
            Ok(built) => built,
            Err(error) => {
                let place = error.credential().map_or(&written.client_id.span, place);
                let problem = Problem::error(place, "application.credential", error.to_string());
                self.problems.push(match error {
                    ApplicationError::RepeatedThumbprint { .. } => problem.help(RegistryError::EACH_ONCE),
                    _ => problem,
                });
                return;
            }
        };
        let application = Registry::continued(built, before);
        self.apart.note(&application, &self.registry, place);
        if let Err(error) = self.registry.insert(application) {
            let place = error.credential().map_or(&written.client_id.span, place);
            let problem = Problem::error(place, "application.credential", error.to_string());
            self.problems.push(problem.help(error.help()));
        }
    }

    /// Notes, once all applications are registered, that there is no client CA for one that needs it, the pins that no chain to
    /// a client CA can hold, and equal subjects under pins that one chain can hold both of.
    ///
    /// The last are warnings. The others are errors at the start and warnings at a reload: a client CA that an operator removes
    /// must go at once, whatever still needs it.
    pub(super) fn check_authorities(&mut self, settings: &settings::Settings) {
        let trust = &settings.trust;
        let most = if self.before.is_some() { Severity::Warning } else { Severity::Error };
        let place = settings.spans.get("trust.client_ca").unwrap_or(&trust.applications.span);
        let missing =
            if trust.client_ca.is_empty() { doubts::no_client_ca(&self.registry, place) } else { None };
        // Without any client CA it goes without saying that no pin is one.
        let pins = if missing.is_some() { Vec::new() } else { self.pins.problems(trust) };
        let problems = missing.into_iter().chain(pins);
        self.problems
            .extend(problems.map(|problem| Problem { severity: problem.severity.min(most), ..problem }));
        self.problems.extend(std::mem::take(&mut self.apart).problems(&self.pins, trust));
    }

    /// The registry, and what was found on the way. If one of the problems is an error, it lacks applications.
    #[must_use]
    pub(super) fn finish(mut self) -> (Registry, Vec<Problem>) {
        // A registry that is refused anyway is mended before it is doubted.
        if self.problems.iter().all(|problem| problem.severity < Severity::Error) {
            self.problems.extend(doubts::few(std::mem::take(&mut self.placeholders)));
        }
        (self.registry, self.problems)
    }
}

fn credential(
    credential: &settings::Credential,
    now: Timestamp,
    pins: &mut Pins,
    problems: &mut Vec<Problem>,
) -> Option<CredentialSpec> {
    let pin = match &credential.ca {
        None => None,
        Some(file) => match pins.key(file) {
            Ok(key) => Some(key),
            Err(fault) => {
                let help = "give a PEM file with the one CA that must have issued the certificate";
                problems.push(fault.or_help(help).at(&file.span, "application.credential.ca"));
                return None;
            }
        },
    };
    let registered = match &credential.matcher {
        Matcher::Thumbprint(text) => parsed(text, "thumbprint", problems, str::parse::<Thumbprint>)
            .map(|thumbprint| Registered::Certificate(thumbprint.into())),
        Matcher::Certificate(file) => registered(file, now, problems).map(Registered::Certificate),
        Matcher::SubjectDn(text) => {
            parsed(text, "subject_dn", problems, DistinguishedName::parse).map(|(dn, warning)| {
                if let Some(warning) = warning {
                    problems.push(Problem::warning(
                        &text.span,
                        "application.credential.subject_dn",
                        warning.to_string(),
                    ));
                }
                Registered::Subject(RegisteredSubject { subject: Subject::Dn(dn), ca: pin })
            })
        }
        Matcher::SanDns(text) => san(text, "san_dns", pin, problems, SubjectAltName::dns),
        Matcher::SanUri(text) => san(text, "san_uri", pin, problems, SubjectAltName::uri),
        Matcher::SanIp(text) => san(text, "san_ip", pin, problems, SubjectAltName::ip),
        Matcher::SanEmail(text) => san(text, "san_email", pin, problems, SubjectAltName::email),
    }?;
    Some(CredentialSpec { name: credential.name.value.clone(), registered })
}

fn parsed<T, E: std::fmt::Display>(
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

fn san<E: std::fmt::Display>(
    text: &Spanned<String>,
    key: &str,
    pin: Option<Arc<[u8; 32]>>,
    problems: &mut Vec<Problem>,
    parse: impl FnOnce(&str) -> Result<SubjectAltName, E>,
) -> Option<Registered> {
    let san = parsed(text, key, problems, parse)?;
    if let Some(problem) = doubts::wildcard(&san, key, text) {
        let is_error = problem.severity == Severity::Error;
        problems.push(problem);
        if is_error {
            return None;
        }
    }
    Some(Registered::Subject(RegisteredSubject { subject: Subject::San(san), ca: pin }))
}

/// The number of a certificate that is not on the way from the first one to its root, whatever their order.
fn stray(chain: &[CertificateDer<'static>]) -> Option<usize> {
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

/// The first certificate of a file; one that has ended is worth a warning.
fn registered(
    file: &Spanned<PathBuf>,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> Option<RegisteredCertificate> {
    const KEY: &str = "application.credential.certificate";
    let read = read_certificates(&file.value).and_then(|chain| {
        let leaf = chain.get(..1).unwrap_or_default();
        if let Some(stray) = stray(&chain) {
            let what = format_args!(
                " holds {} certificates, and certificate {stray} does not issue the first: it would not be registered",
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
                let help = format!(
                    "check the clock: it is {now} here; until it is valid, keep the former credential"
                );
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
                    .help("issue a certificate for another key, and register that"),
                );
            }
            Some(RegisteredCertificate::from(&certificate))
        }
        Err(fault) => {
            let help = "give the application's certificate (not its key) as PEM or DER";
            problems.push(fault.or_help(help).at(&file.span, KEY));
            None
        }
    }
}
