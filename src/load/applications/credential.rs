//! Builds credentials: loads the files that they name, and parses their texts.

use std::{path::PathBuf, sync::Arc};

use super::{certificate::load_certificate, pins::Pins, suspicious};
use crate::load::keys;
use crate::{
    clock::Timestamp,
    config::{
        Problem, Severity, Spanned, file,
        settings::{self, KeyFile, Matcher},
    },
    identity::{DistinguishedName, SubjectAltName, Thumbprint, unusable_key},
    trust::{
        CertificateMatch, CredentialSpec, Registered, RegisteredCertificate, RegisteredKey, RegisteredSecret,
        RegisteredSubject, Role, Subject,
    },
};

/// Builds the credentials of applications.
#[derive(Debug)]
pub(super) struct Loader {
    /// The time as of which certificates and credentials are checked.
    now: Timestamp,
    /// The CAs to which credentials are pinned.
    pub(super) pins: Pins,
    /// Warnings about thumbprints that do not look like hashes.
    pub(super) placeholders: Vec<Problem>,
    /// All other problems.
    pub(super) problems: Vec<Problem>,
}

impl Loader {
    /// Nothing loaded yet.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, pins: Pins::default(), placeholders: Vec::new(), problems: Vec::new() }
    }

    /// Builds a credential. If it cannot be built, the reason is recorded. `is_signing`: a public key verifies signatures; otherwise it is
    /// compared with that of a certificate.
    pub(super) fn credential(
        &mut self,
        role: Role,
        credential: &settings::Credential,
        is_signing: bool,
    ) -> Option<CredentialSpec> {
        let pin = match &credential.ca {
            None => None,
            Some(file) => match self.pins.load_key(file) {
                Ok(key) => Some(key),
                Err(fault) => {
                    let help = "provide a PEM file with only the CA that must have issued the certificate";
                    self.problems.push(fault.or_help(help).at(&file.span, path(role, "ca")));
                    return None;
                }
            },
        };
        let registered = self.registered(role, &credential.matcher, pin, is_signing)?;
        Some(self.dated(role, &credential.name.value, registered, credential.expires_at.as_ref()))
    }

    /// Builds a key of request objects.
    pub(super) fn request_key(&mut self, key: &settings::RequestKey) -> Option<CredentialSpec> {
        let registered = self.signing_key(Role::RequestKey, &key.key)?;
        Some(self.dated(Role::RequestKey, &key.name.value, registered, key.expires_at.as_ref()))
    }

    /// A credential that expires at this time. Warns if that is in the past, or soon.
    fn dated(
        &mut self,
        role: Role,
        name: &str,
        registered: Registered,
        expires_at: Option<&Spanned<Timestamp>>,
    ) -> CredentialSpec {
        let expires_at = expires_at.map(|end| {
            let what = if end.value <= self.now {
                Some(format!("{name:?} has expired (on {}): it is refused", end.value))
            } else if end.value.days_since(self.now) < 30 {
                Some(format!("{name:?} expires {}", end.value.relative_to(self.now)))
            } else {
                None
            };
            let help = "add its successor as a second one, then remove this one";
            let warning = |what| Problem::warning(&end.span, path(role, "expires_at"), what).help(help);
            self.problems.extend(what.map(warning));
            end.value
        });
        CredentialSpec { expires_at, ..CredentialSpec::new(name, registered) }
    }

    fn registered(
        &mut self,
        role: Role,
        matcher: &Matcher,
        pin: Option<Arc<[u8; 32]>>,
        is_signing: bool,
    ) -> Option<Registered> {
        match matcher {
            Matcher::Thumbprint(text) => {
                let thumbprint = self.parse(role, text, "thumbprint", str::parse::<Thumbprint>)?;
                self.placeholders.extend(suspicious::check_thumbprint(
                    &thumbprint,
                    &path(role, "thumbprint"),
                    &text.span,
                ));
                Some(Registered::Certificate(thumbprint.into()))
            }
            Matcher::Certificate(file) => {
                let key = path(role, "certificate");
                load_certificate(file, &key, self.now, &mut self.problems).map(Registered::Certificate)
            }
            Matcher::PublicKey(key) if is_signing => self.signing_key(role, key),
            Matcher::PublicKey(key) => self.pinned_key(role, &key.file),
            Matcher::SubjectDn(text) => {
                let (dn, warning) = self.parse(role, text, "subject_dn", DistinguishedName::parse)?;
                let key = path(role, "subject_dn");
                self.problems
                    .extend(warning.map(|warning| Problem::warning(&text.span, key, warning.to_string())));
                Some(Registered::Subject(RegisteredSubject { subject: Subject::Dn(dn), ca: pin }))
            }
            Matcher::SanDns(text) => self.san(role, text, "san_dns", pin, SubjectAltName::dns),
            Matcher::SanUri(text) => self.san(role, text, "san_uri", pin, SubjectAltName::uri),
            Matcher::SanIp(text) => self.san(role, text, "san_ip", pin, SubjectAltName::ip),
            Matcher::SanEmail(text) => self.san(role, text, "san_email", pin, SubjectAltName::email),
            Matcher::SecretSha256(hash) => {
                Some(Registered::Secret(RegisteredSecret { sha256: hash.value.0 }))
            }
        }
    }

    /// A key that verifies signatures.
    fn signing_key(&mut self, role: Role, key: &KeyFile) -> Option<Registered> {
        let KeyFile { file, alg, kid } = key;
        let alg = alg.as_ref().map(|alg| alg.value);
        match keys::read(&file.value, alg, kid.as_ref().map(|kid| kid.value.as_str())) {
            Ok(key) => Some(Registered::Key(RegisteredKey { key: Box::new(key) })),
            Err(fault) => {
                let help = "provide the application's public key as PEM, a certificate, a JWK or a JWK Set";
                self.problems.push(fault.or_help(help).at(&file.span, path(role, "public_key")));
                None
            }
        }
    }

    /// A key that the client's certificate must have.
    fn pinned_key(&mut self, role: Role, file: &Spanned<PathBuf>) -> Option<Registered> {
        let key = path(role, "public_key");
        let read = file::read(&file.value, file::LIMIT)
            .map_err(|error| file::unreadable(&file.value, &error))
            .and_then(|bytes| keys::spki_in(&file.value, &bytes));
        let spki = match read {
            Ok(spki) => spki,
            Err(fault) => {
                let help = "provide the public key of the application's certificates in PEM, or one of the certificates";
                self.problems.push(fault.or_help(help).at(&file.span, key));
                return None;
            }
        };
        if let Some(reason) = unusable_key(&spki) {
            let what = format!("{}: {reason}: no handshake succeeds", file.value.display());
            let problem = Problem::warning(&file.span, key, what);
            self.problems.push(problem.help("register another key, for which certificates are issued"));
        }
        let matches = CertificateMatch::PublicKey(*Thumbprint::of(&spki).as_bytes());
        Some(Registered::Certificate(RegisteredCertificate { matches, certificate: None }))
    }

    fn parse<T, E: std::fmt::Display>(
        &mut self,
        role: Role,
        text: &Spanned<String>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(&text.value)
            .map_err(|error| {
                self.problems.push(Problem::error(&text.span, path(role, key), error.to_string()));
            })
            .ok()
    }

    fn san<E: std::fmt::Display>(
        &mut self,
        role: Role,
        text: &Spanned<String>,
        key: &str,
        pin: Option<Arc<[u8; 32]>>,
        parse: impl FnOnce(&str) -> Result<SubjectAltName, E>,
    ) -> Option<Registered> {
        let san = self.parse(role, text, key, parse)?;
        if let Some(problem) = suspicious::check_wildcard(&san, &path(role, key), text) {
            let is_error = problem.severity == Severity::Error;
            self.problems.push(problem);
            if is_error {
                return None;
            }
        }
        Some(Registered::Subject(RegisteredSubject { subject: Subject::San(san), ca: pin }))
    }
}

/// The path of a credential's key, such as `application.credential.ca`.
fn path(role: Role, key: &str) -> String {
    format!("application.{}.{key}", role.key())
}
