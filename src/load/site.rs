//! Settings to site: opens what the configuration names, and reports every problem.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use http::{HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;

use super::{
    applications::RegistryBuilder,
    authorities, files,
    pem::read_certificates,
    server_credential::server_credential,
    ticket_keys::ticket_secrets,
    upstream::{roots, target},
};
use crate::{
    clock::{Clock, Timestamp},
    config::{
        self, Problem, Severity,
        settings::{self, CustomProfile, Settings},
    },
    forward::{ForwardedFor, Target},
    site::{Authenticate, Domain, Generation, Routes, Site},
    tls, trust,
    vouch::{Profile, Reserved},
};

/// What came of building a site: the site if no problem is an error, and all problems.
#[derive(Debug)]
pub struct Built {
    /// The settings and the site.
    pub site: Option<(Settings, Site)>,
    /// Errors and warnings.
    pub problems: Vec<Problem>,
    /// Every file that the configuration names, itself included, as far as it could be read.
    pub files: BTreeSet<PathBuf>,
    /// When the first server certificate that is not valid yet will be, in seconds since 1970: then the same files may be fit.
    pub fit_from: Option<Timestamp>,
}

/// Reads the configuration at `path` and everything that it names. The site has the first number: whoever activates another one
/// numbers it.
///
/// What is unchanged from `before` is taken over from there: a domain's TLS configuration with its ticket keys, an
/// upstream with its connections.
#[must_use]
pub fn build(path: &Path, before: Option<&Site>, clock: &Clock) -> Built {
    let now = clock.now();
    let mut files = BTreeSet::from([path.to_owned()]);
    let (settings, mut problems) = config::settings(path);
    let Some(settings) = settings else { return Built { site: None, problems, files, fit_from: None } };
    files.extend(files::of_settings(&settings));
    problems.extend(files::loose_folders(&settings));

    let authenticates = settings
        .domains
        .iter()
        .flat_map(|domain| &domain.routes)
        .any(|route| route.authenticate != Authenticate::None);
    let file = &settings.trust.applications;
    let mut registry = RegistryBuilder::new(before.map(|before| &before.trust.registry), now);
    if authenticates || file.value.exists() {
        problems.extend(config::applications(&file.value, &file.span, |application| {
            files.extend(files::of_application(&application));
            registry.register(&application);
        }));
    }
    registry.check_authorities(&settings);
    let (registry, more) = registry.finish();
    problems.extend(more);
    let (trust, more) = authorities::load(&settings.trust, registry, now);
    problems.extend(more);

    for source in &settings.trust.crl_sources {
        if let Some(Err(fault)) =
            source.url.value.origin.tls.then(|| roots(source.ca.as_ref().map(|ca| ca.value.as_path())))
        {
            let place = source.ca.as_ref().map_or(&source.url.span, |ca| &ca.span);
            let help = "name a PEM file with the CA of the server, or install the package ca-certificates";
            problems.push(fault.or_help(help).at(place, "trust.crls.ca"));
        }
    }

    for file in settings.trust.crl_sources.iter().filter_map(|source| source.issuer.as_ref()) {
        if let Err(fault) = read_certificates(&file.value) {
            let fault = fault.or_help("name a PEM file with the certificate of the CA that signs the list");
            problems.push(fault.at(&file.span, "trust.crls.issuer"));
        }
    }

    let profiles = custom_profiles(&settings.header_profiles, &mut problems);
    let targets: Vec<Option<Arc<Target>>> = settings
        .upstreams
        .iter()
        .map(|upstream| target(upstream, &mut problems))
        .map(|target| {
            let target = Arc::new(target?);
            let kept = before.and_then(|before| before.targets().find(|kept| ***kept == *target));
            Some(kept.cloned().unwrap_or(target))
        })
        .collect();
    let secret_names = settings.upstreams.iter().flat_map(|upstream| {
        upstream
            .headers
            .iter()
            .map(|(name, _)| name.value.clone())
            .chain(upstream.client_ip_header.iter().map(|name| name.value.clone()))
    });
    let reserved = Reserved::new(profiles.values(), secret_names);

    let hints = trust.as_ref().map(|trust| hints(trust, &settings, &mut problems)).unwrap_or_default();
    let mut domains = BTreeMap::new();
    for domain in &settings.domains {
        let profile = Profile::built_in(&domain.header_profile.value)
            .or_else(|| profiles.get(domain.header_profile.value.as_str()).cloned());
        let target = targets.get(domain.upstream).cloned().flatten();
        let upstream = target.map(|target| (target, settings.forwarded_for(domain.upstream)));
        let profile = profile.map(|profile| unchanged(profile, before));
        let built = self::domain(domain, profile, upstream, &hints, before, clock, &mut problems);
        domains.extend(built.map(|built| (built.name.clone(), Arc::new(built))));
    }
    let certificates = domains.values().filter_map(|domain| domain.tls.certificate());
    let fit_from = certificates.map(|own| own.validity().not_before).filter(|from| *from > now).min();
    let ok = !problems.iter().any(|problem| problem.severity == Severity::Error);
    let site = trust.filter(|_| ok).map(|trust| {
        let site = Site {
            generation: Generation::FIRST,
            trust,
            domains,
            reserved,
            admin_hosts: settings.listen.admin_hosts.clone(),
            trusted_proxies: settings.listen.trusted_proxies.clone(),
            proxy_protocol: settings.listen.proxy_protocol,
            limits: settings.limits.clone(),
        };
        (settings, site)
    });
    Built { site, problems, files, fit_from }
}

/// The most bytes of CA names in a request for a certificate. The message has room for 65,535 (RFC 8446 section 4.2.4), but clients and what is
/// between them and the edge take less, and every full handshake carries them.
const HINT_BYTES: usize = 16 * 1024;

/// The client CAs' names that clients are sent, to choose a certificate by: each once, all of them or none.
fn hints(
    trust: &trust::Trust,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> Vec<rustls::DistinguishedName> {
    let mut seen = HashSet::new();
    let names: Vec<&[u8]> = trust.authorities.subjects().filter(|name| seen.insert(*name)).collect();
    let bytes: usize = names.iter().map(|name| name.len() + 2).sum();
    if bytes <= HINT_BYTES {
        return names.into_iter().map(|name| rustls::DistinguishedName::from(name.to_vec())).collect();
    }
    // While self-signed certificates are registered no names are sent anyway.
    let are_sent = !trust.registry.accepts_self_signed();
    let asks = |domain: &&settings::Domain| {
        are_sent && domain.tls.ca_hints && domain.tls.client_auth != tls::ClientAuth::Off
    };
    if let Some(domain) = settings.domains.iter().find(asks) {
        let what = format!(
            "the names of the client CAs have {bytes} bytes, more than {HINT_BYTES}: none are sent to clients, which then choose a certificate without them"
        );
        problems.push(
            Problem::warning(&domain.name.span, "domain.ca_hints", what)
                .help("write ca_hints = false if that is what you want"),
        );
    }
    Vec::new()
}

/// Builds one domain, unless one of its parts is missing. The credential is looked at in any case, for its problems.
fn domain(
    settings: &settings::Domain,
    profile: Option<Profile>,
    upstream: Option<(Arc<Target>, ForwardedFor)>,
    hints: &[rustls::DistinguishedName],
    before: Option<&Site>,
    clock: &Clock,
    problems: &mut Vec<Problem>,
) -> Option<Domain> {
    let kept = before.and_then(|before| before.domains.get(settings.name.value.as_str()));
    // Of any domain: one may have been renamed.
    let in_force: Vec<_> = before
        .iter()
        .flat_map(|before| before.domains.values())
        .filter_map(|domain| domain.tls.leaf())
        .collect();
    let credential = server_credential(
        &tls::provider(settings.tls.cipher_suites),
        &settings.name.value,
        &settings.certificate,
        &settings.private_key,
        &in_force,
        clock.now(),
        problems,
    );
    let ticket_secrets =
        settings.ticket_keys.as_ref().map(|file| ticket_secrets(file, problems).ok_or(())).transpose().ok();
    let ((credential, key_file), ticket_secrets) = (credential?, ticket_secrets?);
    let (profile, (target, forwarded_for)) = (profile?, upstream?);
    if let Some(name) = collision(&profile, &target) {
        let what = format!(
            "the profile \"{}\" sets a header that the upstream's own headers set too: {name}",
            profile.name()
        );
        problems.push(
            Problem::error(&settings.header_profile.span, "domain.header_profile", what)
                .help("one of the two would be lost: rename the one under upstream.headers"),
        );
    }
    let options = tls::ServerOptions {
        credential,
        key_file,
        client_auth: settings.tls.client_auth,
        cipher_suites: settings.tls.cipher_suites,
        domain: settings.name.value.as_str().into(),
        session_lifetime: settings.tls.session_lifetime,
        ticket_secrets,
        hints: if settings.tls.ca_hints { hints.to_vec() } else { Vec::new() },
    };
    let tls = tls::DomainTls::new(options, kept.map(|kept| &kept.tls), clock)
        .map_err(|error| {
            let what = format!("cannot build the TLS configuration: {error}");
            problems.push(Problem::error(&settings.certificate.span, "domain.certificate", what));
        })
        .ok()?;
    Some(Domain {
        name: settings.name.value.as_str().into(),
        // A DNS name is a header's value as it is.
        authority: HeaderValue::try_from(settings.name.value.as_str()).ok()?,
        tls,
        client_auth: settings.tls.client_auth,
        routes: Routes::new(settings.routes.iter().cloned()),
        target,
        forwarded_for,
        profile,
    })
}

/// The profile that is in force if it is the same, so that headers which were encoded for it stay good.
fn unchanged(profile: Profile, before: Option<&Site>) -> Profile {
    let in_force =
        before.into_iter().flat_map(|before| before.domains.values()).map(|domain| &domain.profile);
    let same = in_force.into_iter().find(|other| other.is_same(&profile));
    same.cloned().unwrap_or(profile)
}

/// A header that both would set. Names of custom profiles may be secrets, yet this one stands under the upstream too.
fn collision(profile: &Profile, target: &Target) -> Option<HeaderName> {
    let also = target.spec.headers.keys().chain(&target.spec.client_ip_header);
    let names = Reserved::of(profile);
    also.into_iter().find(|name| names.contains(name)).cloned()
}

fn custom_profiles(written: &[CustomProfile], problems: &mut Vec<Problem>) -> HashMap<String, Profile> {
    let mut profiles = HashMap::new();
    for custom in written {
        let headers = custom.headers.iter().map(|(name, encoding)| (name.value.clone(), *encoding)).collect();
        match Profile::custom(&custom.name.value, headers) {
            Ok(profile) => {
                profiles.insert(custom.name.value.clone(), profile);
            }
            Err(error) => {
                problems.push(Problem::error(&custom.name.span, "header_profile.headers", error.to_string()));
            }
        }
    }
    profiles
}

/// Client CAs that are in the system's root store: anybody can get a certificate from those.
#[must_use]
pub fn public_authorities(settings: &Settings) -> Vec<Problem> {
    let system: std::collections::HashSet<[u8; 32]> = rustls_native_certs::load_native_certs()
        .certs
        .iter()
        .filter_map(|root| crate::identity::spki_hash(root).ok())
        .collect();
    let public =
        |ca: &CertificateDer<'_>| crate::identity::spki_hash(ca).is_ok_and(|key| system.contains(&key));
    settings
        .trust
        .client_ca
        .iter()
        .map(|ca| &ca.file)
        .filter(|file| read_certificates(&file.value).is_ok_and(|cas| cas.iter().any(public)))
        .map(|file| {
            let what = format!("{} holds a public CA of the system's root store", file.value.display());
            Problem::warning(&file.span, "trust.client_ca", what).help(
                "anyone can obtain a certificate from it: trust only CAs that issue to your own applications",
            )
        })
        .collect()
}
