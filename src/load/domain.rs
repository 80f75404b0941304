//! Builds one domain: its certificate, its TLS configuration, its profile and its upstream.

use std::{path::PathBuf, sync::Arc};

use http::{HeaderName, HeaderValue};

use super::{
    acme::{AcmeFile, load_acme},
    credential::{ACME_HELP, CredentialFiles, LoadedCredential, Password, Role, is_named, load_credential},
    purpose::Purpose,
    ticket_keys::ticket_secrets,
};
use crate::{
    clock::{Clock, Timestamp},
    config::{
        Problem, Spanned,
        settings::{self, KeyPair},
    },
    forward::{ForwardedFor, Target},
    pkcs11::Patience,
    site::{Domain, Routes, Site},
    tls::{self, KeyType},
    trust::Issuer,
    vouch::{Profile, Reserved},
};

/// What a domain is built from besides its settings. A missing part has been reported.
pub(super) struct Parts<'a> {
    pub(super) profile: Option<Profile>,
    pub(super) upstream: Option<(Arc<Target>, ForwardedFor)>,
    pub(super) ca_names: &'a [rustls::DistinguishedName],
    pub(super) purpose: Purpose<'a>,
    pub(super) tokens: &'a Patience,
    pub(super) clock: &'a Clock,
}

/// The outcome of building a domain.
pub(super) enum Built {
    Ready(Box<Domain>),
    /// It has no certificate yet: it is ordered by ACME.
    Awaiting,
    /// A problem is an error.
    Failed,
}

/// Where the certificates of a domain stand.
enum Credential {
    Loaded(Vec<LoadedCredential>),
    Awaiting,
    Failed,
}

/// Builds one domain. The credential is loaded in any case, to report its problems.
pub(super) fn build_domain(
    settings: &settings::Domain,
    parts: Parts<'_>,
    problems: &mut Vec<Problem>,
) -> Built {
    let credential = credential(settings, parts.purpose, parts.tokens, parts.clock.now(), problems);
    let ticket_secrets =
        settings.ticket_keys.as_ref().map(|file| ticket_secrets(file, problems).ok_or(())).transpose().ok();
    let (Some(profile), Some((target, forwarded_for))) = (parts.profile, parts.upstream) else {
        return Built::Failed;
    };
    if let Some(name) = collision(&profile, &target) {
        let what = format!(
            "the profile \"{}\" sets a header that the upstream's own headers also set: {name}",
            profile.name()
        );
        problems.push(
            Problem::error(&settings.header_profile.span, "domain.header_profile", what)
                .help("the upstream would receive only one of them: rename the one under upstream.headers"),
        );
    }
    let Some(ticket_secrets) = ticket_secrets else { return Built::Failed };
    let (credentials, key_files): (Vec<_>, Vec<_>) = match credential {
        Credential::Loaded(loaded) => loaded.into_iter().unzip(),
        Credential::Awaiting => return Built::Awaiting,
        Credential::Failed => return Built::Failed,
    };
    let options = tls::ServerOptions {
        credentials: credentials.into(),
        key_files: key_files.into(),
        client_auth: settings.tls.client_auth,
        min_version: settings.tls.min_version,
        cipher_suites: settings.tls.cipher_suites,
        key_exchange_groups: settings.tls.key_exchange_groups.clone(),
        domain: settings.name.value.as_str().into(),
        session_lifetime: settings.tls.session_lifetime,
        ticket_secrets,
        hints: if settings.tls.ca_hints { parts.ca_names.to_vec() } else { Vec::new() },
    };
    let former = active(settings, parts.purpose.previous()).map(|active| &active.tls);
    let tls = match tls::DomainTls::new(options, former, parts.clock) {
        Ok(tls) => tls,
        Err(error) => {
            let what = format!("cannot build the TLS configuration: {error}");
            let place = settings.key_pairs.first().map_or(&settings.name.span, |pair| &pair.certificate.span);
            problems.push(Problem::error(place, "domain.certificate", what));
            return Built::Failed;
        }
    };
    // Every DNS name is a valid header value.
    let Ok(authority) = HeaderValue::try_from(settings.name.value.as_str()) else { return Built::Failed };
    Built::Ready(Box::new(Domain {
        name: settings.name.value.as_str().into(),
        authority,
        misnamed: tls
            .leaves()
            .filter(|(_, leaf)| !is_named(leaf, &settings.name.value))
            .map(|(key_type, _)| key_type)
            .collect(),
        tls,
        renews_itself: settings.acme,
        client_auth: settings.tls.client_auth,
        routes: Routes::new(settings.routes.iter().map(|route| route.spec.clone())),
        target,
        forwarded_for,
        profile,
        issuer: settings.issuer.as_ref().map(|issuer| {
            Issuer::new(&issuer.value, settings.audiences.iter().map(|audience| &audience.value))
        }),
        security_profile: settings.security_profile.as_ref().map(|profile| profile.value),
    }))
}

/// The active domain of this name.
fn active<'a>(settings: &settings::Domain, previous: Option<&'a Site>) -> Option<&'a Arc<Domain>> {
    previous.and_then(|previous| previous.domains.get(settings.name.value.as_str()))
}

/// Loads the certificates and the keys.
fn credential(
    settings: &settings::Domain,
    purpose: Purpose<'_>,
    tokens: &Patience,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> Credential {
    // Of all domains, since one may have been renamed.
    let previous = purpose.previous();
    let active_credentials: Vec<_> = previous
        .iter()
        .flat_map(|previous| previous.domains.values())
        .flat_map(|domain| domain.tls.credentials())
        .collect();
    if let (true, Some(KeyPair { certificate, .. })) = (settings.acme, settings.key_pairs.first()) {
        let in_use = purpose.of_renewed().in_use(&active_credentials);
        let loaded = load_acme(certificate, &settings.name.value, in_use, now, problems);
        return ordered(loaded, certificate, active(settings, previous), problems);
    }
    let provider = tls::provider(settings.tls.cipher_suites);
    // The same for all of them.
    let password = settings.key_pairs.first().and_then(|pair| pair.password.as_ref()).map(Password::new);
    let mut load = |pair: &KeyPair| {
        let files = CredentialFiles {
            provider: &provider,
            role: Role::Server(&settings.name.value),
            certificate: &pair.certificate,
            private_key: &pair.private_key,
            password: password.as_ref(),
            in_use: purpose.in_use(&active_credentials),
            tokens,
            now,
        };
        load_credential(&files, problems)
    };
    // All of them, to report their problems.
    let loaded: Vec<Option<LoadedCredential>> = settings.key_pairs.iter().map(&mut load).collect();
    let Some(loaded) = loaded.into_iter().collect::<Option<Vec<_>>>() else { return Credential::Failed };
    if let Some(password) = &password {
        password.report_unused(Role::Server(&settings.name.value), problems);
    }
    match same_key_type(&settings.key_pairs, &loaded) {
        None => Credential::Loaded(loaded),
        Some(problem) => {
            problems.push(problem);
            Credential::Failed
        }
    }
}

/// Refuses a certificate whose key is of the type of an earlier one: no client would get it.
fn same_key_type(pairs: &[KeyPair], loaded: &[LoadedCredential]) -> Option<Problem> {
    let mut seen: Vec<(KeyType, &KeyPair)> = Vec::new();
    for (pair, (credential, _)) in pairs.iter().zip(loaded) {
        let key_type = KeyType::of(credential);
        if let Some((_, earlier)) = seen.iter().find(|(other, _)| *other == key_type) {
            let what = format!(
                "{} has a key of the same type as {} ({}): no client would get it",
                pair.certificate.value.display(),
                earlier.certificate.value.display(),
                key_type.as_str()
            );
            let problem = Problem::error(&pair.certificate.span, "domain.certificate", what);
            return Some(
                problem.help("remove it and its key, or use a certificate with a key of another type"),
            );
        }
        seen.push((key_type, pair));
    }
    None
}

/// The certificate that is ordered by ACME. Without a usable one the active one stays: other changes, such as the removal of a credential,
/// must not wait for the CA.
fn ordered(
    loaded: AcmeFile<LoadedCredential>,
    file: &Spanned<PathBuf>,
    active: Option<&Arc<Domain>>,
    problems: &mut Vec<Problem>,
) -> Credential {
    let without = match loaded {
        AcmeFile::Valid(loaded) => return Credential::Loaded(vec![loaded]),
        AcmeFile::Missing => None,
        AcmeFile::Invalid(why) => Some(why),
    };
    if let Some(why) = without {
        let then = if active.is_some() { "keeping the active one" } else { "the domain is not served" };
        let what = format!("{why}; {then} until another certificate is issued");
        problems.push(Problem::warning(&file.span, "domain.acme", what).help(ACME_HELP));
    }
    match active {
        Some(active) => Credential::Loaded(active.tls.credentials().collect()),
        None => Credential::Awaiting,
    }
}

/// Returns the active profile if it equals this one, so that headers that were encoded for it remain valid.
pub(super) fn reuse_profile(profile: Profile, previous: Option<&Site>) -> Profile {
    let mut active =
        previous.into_iter().flat_map(|previous| previous.domains.values()).map(|domain| &domain.profile);
    let same = active.find(|other| other.is_same(&profile));
    same.cloned().unwrap_or(profile)
}

/// A header that both the profile and the upstream set. Header names of custom profiles may be secrets; this one may be shown since
/// the upstream's table contains it too.
fn collision(profile: &Profile, target: &Target) -> Option<HeaderName> {
    let upstream_names = target.spec.headers.keys().chain(&target.spec.client_ip_header);
    let names = Reserved::of(profile);
    upstream_names.into_iter().find(|name| names.contains(name)).cloned()
}
