//! Builds one domain: its certificate, its TLS configuration, its profile and its upstream.

use std::{path::PathBuf, sync::Arc};

use http::{HeaderName, HeaderValue};

use super::{
    acme::{AcmeFile, load_acme},
    credential::{ACME_HELP, CredentialFiles, LoadedCredential, Role, is_named, load_credential},
    purpose::Purpose,
    ticket_keys::ticket_secrets,
};
use crate::{
    clock::{Clock, Timestamp},
    config::{Problem, Spanned, settings},
    forward::{ForwardedFor, Target},
    site::{Domain, Routes, Site},
    tls,
    trust::Issuer,
    vouch::{Profile, Reserved},
};

/// What a domain is built from besides its settings. A missing part has been reported.
pub(super) struct Parts<'a> {
    pub(super) profile: Option<Profile>,
    pub(super) upstream: Option<(Arc<Target>, ForwardedFor)>,
    pub(super) ca_names: &'a [rustls::DistinguishedName],
    pub(super) purpose: Purpose<'a>,
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

/// Where the certificate of a domain stands.
enum Credential {
    Loaded(LoadedCredential),
    Awaiting,
    Failed,
}

/// Builds one domain. The credential is loaded in any case, to report its problems.
pub(super) fn build_domain(
    settings: &settings::Domain,
    parts: Parts<'_>,
    problems: &mut Vec<Problem>,
) -> Built {
    let credential = credential(settings, parts.purpose, parts.clock.now(), problems);
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
    let (credential, key_file) = match credential {
        Credential::Loaded(loaded) => loaded,
        Credential::Awaiting => return Built::Awaiting,
        Credential::Failed => return Built::Failed,
    };
    let options = tls::ServerOptions {
        credential,
        key_file,
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
            problems.push(Problem::error(&settings.certificate.span, "domain.certificate", what));
            return Built::Failed;
        }
    };
    // Every DNS name is a valid header value.
    let Ok(authority) = HeaderValue::try_from(settings.name.value.as_str()) else { return Built::Failed };
    Built::Ready(Box::new(Domain {
        name: settings.name.value.as_str().into(),
        authority,
        is_named: tls.leaf().is_some_and(|leaf| is_named(leaf, &settings.name.value)),
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

/// Loads the certificate and the key.
fn credential(
    settings: &settings::Domain,
    purpose: Purpose<'_>,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> Credential {
    // Of all domains, since one may have been renamed.
    let previous = purpose.previous();
    let active_certificates: Vec<_> = previous
        .iter()
        .flat_map(|previous| previous.domains.values())
        .filter_map(|domain| domain.tls.leaf())
        .collect();
    if settings.acme {
        let in_use = purpose.of_renewed().in_use(&active_certificates);
        let loaded = load_acme(&settings.certificate, &settings.name.value, in_use, now, problems);
        return ordered(loaded, &settings.certificate, active(settings, previous), problems);
    }
    let files = CredentialFiles {
        provider: &tls::provider(settings.tls.cipher_suites),
        role: Role::Server(&settings.name.value),
        certificate: &settings.certificate,
        private_key: &settings.private_key,
        in_use: purpose.in_use(&active_certificates),
        now,
    };
    load_credential(&files, problems).map_or(Credential::Failed, Credential::Loaded)
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
        AcmeFile::Valid(loaded) => return Credential::Loaded(loaded),
        AcmeFile::Missing => None,
        AcmeFile::Invalid(why) => Some(why),
    };
    if let Some(why) = without {
        let then = if active.is_some() { "keeping the active one" } else { "the domain is not served" };
        let what = format!("{why}; {then} until another certificate is issued");
        problems.push(Problem::warning(&file.span, "domain.acme", what).help(ACME_HELP));
    }
    match active {
        Some(active) => Credential::Loaded(active.tls.credential()),
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
